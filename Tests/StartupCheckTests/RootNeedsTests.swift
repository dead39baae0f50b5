// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Findings
import Glibc
import HostSystem
import Messages
import StartupCheck
import TestSupport
import Testing

/// What each kind of root file system needs, and what is reported if the initrd lacks it.
@Suite struct RootNeedsTests {
  private let scene: StartupScene
  private let release = StartupScene.release
  init() throws { scene = try StartupScene() }

  /// Fails unless `complete` has no findings and each of its parts is missed.
  private func expectAll(
    _ modules: [String], _ paths: [String], line: String = StartupScene.line, missing names: [String]
  ) throws {
    #expect(try scene.findings(line, initrd: StartupScene.initrd(modules: modules, paths)).map(\.text) == [])
    var found: [String] = []
    for module in modules {
      let rest = modules.filter { $0 != module }
      found += try scene.findings(line, initrd: StartupScene.initrd(modules: rest, paths)).map(\.text)
    }
    for path in paths {
      let rest = paths.filter { $0 != path }
      found += try scene.findings(line, initrd: StartupScene.initrd(modules: modules, rest)).map(\.text)
    }
    #expect(found.count == names.count)
    for (text, name) in zip(found, names) { #expect(text.contains("lacks the \(name), needed for"), "\(text)") }
  }

  @Test func aModuleOfTheFileSystemAndWhatItDependsOnAreNeeded() throws {
    try scene.mountRoot("xfs /dev/mapper/pve-root")
    try expectAll(["xfs", "libcrc32c"], [], missing: ["module xfs", "module libcrc32c"])
    // Both are missing, and MODULES=dep may have left them out.
    let found = try scene.findings()
    #expect(found.count == 1 && found[0].text.contains("the module xfs, the module libcrc32c"))
    #expect(found[0].commandText == "update-initramfs -u -k \(release)")
    #expect(found[0].actions.last?.text.contains("/etc/initramfs-tools/modules") == true)
    // Nothing is known about a file system that the kernel does not have.
    try scene.mountRoot("fuseblk /dev/mapper/pve-root")
    #expect(try scene.findings().isEmpty)
  }

  @Test func aLogicalVolumeNeedsLVM() throws {
    try scene.sysfs("253:1", "dm/uuid", "LVM-abc")
    try expectAll(["dm-mod"], ["usr/sbin/lvm"], missing: ["module dm_mod", "program lvm"])
    unlink(scene.directory.path(of: "var/lib/dpkg/info/lvm2.list"))
    let found = try scene.findings(initrd: StartupScene.initrd(modules: ["dm-mod"]))
    #expect(found.first?.commandText == "apt install lvm2 && update-initramfs -u -k \(release)")
  }

  @Test func encryptionBelowTheVolumeNeedsCryptsetup() throws {
    try scene.sysfs("253:1", "dm/uuid", "LVM-abc")
    try scene.sysfs("253:1", "slaves/dm-0/dev", "253:0")
    try scene.sysfs("253:0", "dm/uuid", "CRYPT-LUKS2-abc")
    try expectAll(
      ["dm-crypt", "dm-mod"], ["sbin/lvm", "sbin/cryptsetup", "cryptroot/crypttab"],
      missing: [
        // Both layers need dm_mod.
        "module dm_crypt", "module dm_mod", "module dm_mod", "program lvm", "program cryptsetup",
        "file cryptroot/crypttab",
      ])
    // The line replaces crypttab.
    let initrd = StartupScene.initrd(modules: ["dm-crypt", "dm-mod"], ["sbin/lvm", "sbin/cryptsetup"])
    #expect(try scene.findings("\(StartupScene.line) cryptopts=source=UUID=1,target=x", initrd: initrd).isEmpty)
  }

  @Test func anArrayNeedsMdadmAndItsLevel() throws {
    try scene.mountRoot("ext4 /dev/mapper/pve-root", device: "259:3")
    // The root is on a partition of the array.
    try scene.sysfs("259:3", "partition", "1")
    try scene.directory.write("sys/dev/block/259:3/x", "")
    try scene.directory.write("sys/dev/block/md/level", "raid5\n")
    try expectAll(
      ["raid456", "xor", "md-mod"], ["usr/sbin/mdadm"],
      missing: ["module raid456", "module xor", "module md_mod", "program mdadm"])
  }

  @Test(arguments: ["root=ZFS=rpool/ROOT/pve-1 boot=zfs", "root=zfs:AUTO", "boot=zfs rpool=tank"])
  func zfsNeedsItsProgramsAndModule(_ line: String) throws {
    try scene.mountRoot("zfs rpool/ROOT/pve-1", device: "0:25")
    try expectAll(
      ["zfs", "spl"], ["usr/sbin/zpool", "usr/sbin/zfs"], line: line,
      missing: ["module zfs", "module spl", "program zpool", "program zfs"])
  }

  @Test func aKernelWithoutZFSIsIncomplete() throws {
    try scene.writeModules(dependencies: "kernel/a.ko:\n", builtIn: "")
    let initrd = StartupScene.initrd(modules: [], ["sbin/zpool", "sbin/zfs"])
    let found = try scene.findings("root=zfs:AUTO", initrd: initrd)
    #expect(found.map(\.kind) == [.kernelIncomplete] && found[0].text.contains("no module zfs"))
    #expect(found[0].commandText == nil)
    try scene.directory.write("var/lib/dkms/zfs/2.2/source", "")
    let command = try scene.findings("root=zfs:AUTO", initrd: initrd).first?.commandText
    #expect(command == "dkms autoinstall -k \(release) && update-initramfs -u -k \(release)")
  }

  @Test func layersThatAreUnknownAreNotGuessed() throws {
    // Not the running system: its devices are not those of the machine that will boot.
    var host = try scene.host()
    host.isRunningSystem = false
    let image = try StartupScene.image("root=/dev/mapper/pve-root", initrd: StartupScene.initrd())
    var survey = StartupSurvey(on: host, known: StartupRecord())
    #expect(survey.examine(StartupSurvey.Image(scene.kernel, name: "UKI") { image }).findings.isEmpty)
    // A device mapper of another kind.
    try scene.sysfs("253:1", "dm/uuid", "mpath-abc")
    #expect(try scene.findings().isEmpty)
    // sysfs that leads back to itself.
    try scene.sysfs("253:1", "slaves/dm-1/dev", "253:1")
    try scene.sysfs("253:1", "slaves/bad/dev", "none")
    #expect(try scene.findings().isEmpty)
  }

  @Test func dracutTakesLayersFromTheLine() throws {
    let members = [
      RAMDiskBytes.Member("init"), .directory("usr/lib/dracut"),
      RAMDiskBytes.Member("usr/lib/modules/\(release)/modules.dep"),
    ]
    try scene.directory.write("usr/bin/dracut", "")
    let found = try scene.findings("\(StartupScene.line) rd.lvm.lv=pve/root", initrd: RAMDiskBytes.archive(members))
    #expect(found.count == 1 && found[0].text.contains("the module dm_mod, the program lvm"))
    #expect(found[0].commandText == "dracut --force --kver \(release) && pve-sb-uki apply")
    // An old initrd, and dracut is gone.
    unlink(scene.directory.path(of: "usr/bin/dracut"))
    let old = try scene.findings("\(StartupScene.line) rd.lvm.lv=pve/root", initrd: RAMDiskBytes.archive(members))
    #expect(old.first?.commandText == "update-initramfs -u -k \(release)")
    #expect(try scene.findings("\(StartupScene.line) rd.lvm.lv=pve/root").isEmpty)
  }
}
