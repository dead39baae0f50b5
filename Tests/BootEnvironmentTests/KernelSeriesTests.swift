// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
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

  /// Each is newer than the next.
  ///
  /// `dpkg --compare-versions` agrees, except that it treats the last two as equal.
  @Test func kernelsAreSortedNewestFirst() throws {
    let order = [
      "6.14.0-1-pve", "6.14.0~rc3-1-pve", "6.11.11-2-pve", "6.8.12-10-pve", "6.8.12-9-pve-custom", "6.8.12-9-pve",
      "6.8-pve", "6.08-pve",
    ].compactMap { Kernel(release: $0) }
    #expect(order.reversed().sorted { $0.isNewer(than: $1) } == order)
    #expect(!order[0].isNewer(than: order[0]))
  }
}
