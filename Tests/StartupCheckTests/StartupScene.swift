// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Findings
import HostSystem
import Messages
import StartupCheck
import TestSupport
import UnifiedKernelImage

/// A host whose root is ext4 on `/dev/dm-1` (253:1), with the modules of a kernel.
struct StartupScene {
  static let release = "6.8.12-9-pve"
  static let line = "root=/dev/mapper/pve-root ro quiet"

  let directory: TemporaryDirectory
  let kernel: Kernel

  struct NoKernel: Error {}

  init() throws {
    directory = try TemporaryDirectory()
    guard let kernel = Kernel(release: Self.release) else { throw NoKernel() }
    self.kernel = kernel
    try writeModules(
      dependencies: """
        kernel/drivers/md/dm-mod.ko.zst:
        kernel/drivers/md/dm-crypt.ko.zst: kernel/drivers/md/dm-mod.ko.zst
        kernel/drivers/md/raid1.ko.zst: kernel/drivers/md/md-mod.ko.zst
        kernel/drivers/md/md-mod.ko.zst:
        kernel/drivers/md/raid456.ko.zst: kernel/crypto/xor.ko.zst kernel/drivers/md/md-mod.ko.zst
        kernel/crypto/xor.ko.zst:
        kernel/fs/xfs/xfs.ko.zst: kernel/lib/libcrc32c.ko.zst
        kernel/lib/libcrc32c.ko.zst:
        kernel/zfs/zfs.ko.zst: kernel/zfs/spl.ko.zst
        kernel/zfs/spl.ko.zst:

        """, builtIn: "kernel/fs/ext4/ext4.ko\n")
    try mountRoot("ext4 /dev/mapper/pve-root")
    try directory.write("dev/mapper/pve-root", "a device")
    try directory.write("dev/disk/by-uuid/1.placeholder", "")
    for name in ["zfs-initramfs", "lvm2", "cryptsetup-initramfs", "mdadm", "proxmox-kernel-\(Self.release)-signed"] {
      try directory.write("var/lib/dpkg/info/\(name).list", "")
    }
    try directory.write("usr/sbin/mkinitramfs", "")
  }

  func writeModules(dependencies: String, builtIn: String, of release: String = release) throws {
    try directory.write("lib/modules/\(release)/modules.dep", dependencies)
    try directory.write("lib/modules/\(release)/modules.builtin", builtIn)
  }

  func mountRoot(_ text: String, device: String = "253:1") throws {
    try directory.write("proc/self/mountinfo", "22 1 \(device) / / rw,relatime - \(text) rw\n")
  }

  /// A file of a block device in sysfs.
  func sysfs(_ device: String, _ name: String, _ text: String) throws {
    try directory.write("sys/dev/block/\(device)/\(name)", text + "\n")
  }

  func host() throws -> Host {
    var host = try directory.host()
    host.isRunningSystem = true
    return host
  }

  /// A UKI; parts that are nil are missing.
  static func image(
    _ line: String = line, initrd: [UInt8], uname: String? = release, microcode: [UInt8]? = nil
  ) throws -> [UInt8] {
    let stub = NamedInput(name: "stub", bytes: try Fixture.stub257.bytes())
    var recipe = ImageRecipe(stub: stub, linux: stub, initrds: [NamedInput(name: "initrd", bytes: initrd)])
    recipe.commandLine = Array(line.utf8)
    recipe.osRelease = NamedInput(name: "os-release", bytes: Array("ID=debian\n".utf8))
    recipe.uname = uname
    recipe.microcode = microcode.map { NamedInput(name: "microcode", bytes: $0) }
    let sink = MemorySink()
    _ = try ImageBuilder.write(ImagePlan(recipe), to: sink, signingBy: nil)
    return sink.bytes
  }

  /// An initrd of initramfs-tools with modules by name, and programs by path.
  static func initrd(modules: [String] = [], _ paths: [String] = []) -> [UInt8] {
    RAMDiskBytes.initrd(of: release, modules.map { "usr/lib/modules/\(release)/kernel/\($0).ko.zst" } + paths)
  }

  /// The findings for a UKI with this line and initrd.
  func findings(_ line: String = line, initrd: [UInt8] = initrd()) throws -> [Finding] {
    try findings(of: Self.image(line, initrd: initrd))
  }

  func findings(
    of image: [UInt8], _ change: (inout StartupSurvey.Image) -> Void = { _ in }
  ) throws -> [Finding] {
    var described = StartupSurvey.Image(kernel, name: "UKI") { image }
    change(&described)
    var survey = StartupSurvey(on: try host(), known: StartupRecord())
    return survey.examine(described).findings
  }
}

extension Finding {
  /// The first command as text.
  var commandText: String? { command?.description }
  var text: String { message.description }
}
