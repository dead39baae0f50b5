// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct KernelTests {
  private static let longest = String(repeating: "1", count: 64)

  @Test func completeKernelsAreFoundNewestFirst() throws {
    let directory = try TemporaryDirectory()
    for release in ["6.8.12-9-pve", "6.8.12-10-pve", "6.1.0-56-amd64"] {
      try directory.write("boot/vmlinuz-\(release)", "k")
      try directory.write("boot/initrd.img-\(release)", "i")
      try directory.write("lib/modules/\(release)/modules.dep", "")
    }
    // No initrd yet; no modules; neither; names that are not releases; a directory.
    try directory.write("boot/vmlinuz-6.9.0-1-pve", "k")
    try directory.write("lib/modules/6.9.0-1-pve/modules.dep", "")
    try directory.write("boot/vmlinuz-6.8.12-9-pve.dpkg-tmp", "k")
    try directory.write("boot/vmlinuz-", "k")
    try directory.write("boot/vmlinuz-.hidden", "k")
    try directory.write("boot/vmlinuz-a b", "k")
    try directory.write("boot/vmlinuz-directory/file", "k")
    try directory.write("boot/initrd.img-7.0.0-1-pve", "i")
    let inventory = try KernelInventory(of: directory.host().files)
    #expect(inventory.kernels.map(\.release) == ["6.8.12-10-pve", "6.8.12-9-pve", "6.1.0-56-amd64"])
    #expect(inventory.withoutInitrd.map(\.release) == ["6.9.0-1-pve"])
    #expect(inventory.present.count == 5 && inventory.present.contains("6.8.12-9-pve.dpkg-tmp"))
  }

  @Test func aMergedLibDirectoryIsFollowedInsideTheRoot() throws {
    let directory = try TemporaryDirectory()
    try directory.write("boot/vmlinuz-6.1.0-test", "k")
    try directory.write("boot/initrd.img-6.1.0-test", "i")
    try directory.write("usr/lib/modules/6.1.0-test/modules.dep", "")
    symlink("/usr/lib", directory.path(of: "lib"))
    #expect(try KernelInventory(of: directory.host().files).kernels.map(\.release) == ["6.1.0-test"])
  }

  @Test func anEmptyRootHasNoKernels() throws {
    #expect(try KernelInventory(of: TemporaryDirectory().host().files).kernels.isEmpty)
  }

  @Test(arguments: [
    "", ".", "..", "a/b", "a b", "é", "-x", "a\n", "a\0", "a:b", "a*", "6.8~previous", "6.8~PREVIOUS",
    Self.longest + "1",
  ])
  func hostileReleasesAreRejected(text: String) { #expect(Kernel(release: text) == nil) }
}
