// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import TestSupport
import Testing

@Suite struct KernelSeriesTests {
  @Test(arguments: [
    ("6.8.12-4-pve", "6.8"), ("6.14.0~rc3-1-pve", "6.14"), ("6.1.0-50-cloud-amd64", "6.1"), ("5.15-pve", "5.15"),
    ("6-pve", nil), ("6.-pve", nil), ("v6.8", nil), ("custom", nil),
  ])
  func theSeriesIsMajorAndMinor(release: String, series: String?) {
    #expect(Kernel(release: release)?.series == series)
  }

  @Test(arguments: [
    ("6.8.12-4-pve", true), ("6.8.12-4-pve-custom", true), ("6.8.12-4-pve+1", true), ("6.1.0-50-amd64", false),
    ("pve-6.8", false), ("6.8.12pve", false),
  ])
  func proxmoxKernelsAreRecognised(release: String, isProxmox: Bool) {
    #expect(Kernel(release: release)?.isProxmox == isProxmox)
  }

  /// Real releases in the order of `sort -V`, and in that of the table that version-order-test compares with it.
  @Test func theOrderIsThatOfSort() throws {
    let kernels = try Fixture.table("kernel-releases").compactMap { Kernel(release: $0) }
    try #require(kernels.count >= 60)
    let sorted = try ExternalTool("sort").run(["-V"], input: Array(kernels.map { "\($0.release)\n" }.joined().utf8))
    #expect(String(decoding: sorted, as: UTF8.self).split(separator: "\n").map(String.init) == kernels.map(\.release))
    for (index, older) in kernels.enumerated() {
      #expect(!older.isNewer(than: older))
      for newer in kernels[(index + 1)...] {
        #expect(newer.isNewer(than: older) && !older.isNewer(than: newer), "\(older.release) and \(newer.release)")
      }
    }
  }

  /// Made up: endings, tildes, zeros and texts of equal order, as GNU `sort -V` orders them.
  @Test func oddReleasesAreSortedToo() throws {
    let odd = [
      "6.8-pve", "6.08-pve", "6.8.0~rc1-pve", "6.8.0-pve", "6.8.0-pve.old", "6.8.0-pve.old~", "6.8.0-pve.a1",
      "6.8.0-pve.1",
      "6.8.0-pve-custom", "6.8.0-pve+1", "6.8.0-pve_1", "6.8.0-pve~", "6.8", "6", "pve", "x.y.z", "x.y", "x", "~",
      "6.8.a",
      "6.8.0-pve.A", "6.8.0-pve.~", "6.8.0-pve.dpkg-tmp", "6.8.00000000000000000000000000000001-pve",
    ].compactMap { Kernel(release: $0) }
    let input = Array(odd.map { "\($0.release)\n" }.joined().utf8)
    let sorted = String(decoding: try ExternalTool("sort").run(["-V"], input: input), as: UTF8.self)
    let order = odd.sorted { $1.isNewer(than: $0) }
    #expect(order.map(\.release) == sorted.split(separator: "\n").map(String.init))
  }
}
