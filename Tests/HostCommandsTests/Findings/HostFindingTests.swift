// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import Findings
import Glibc
import HostCommands
import HostSystem
internal import Messages
import SigningKeys
import TestSupport
import Testing

/// Keys that are still on an ESP.
@Suite struct ExportedKeyTests {
  private static let directory = "/boot/efi/EFI/pve-sb-uki"
  private var scene: MachineScene

  init() throws {
    scene = try MachineScene()
    try scene.addESP()
    try scene.enrolOwnKeys()
    try export(to: Self.directory)
  }

  private func export(to directory: String) throws {
    var export = KeysExport()
    export.directory = scene.root.path(of: directory)
    export.overwrites = true
    _ = try export.run(on: scene.host())
  }

  private func command(_ kind: FindingKind = .exportedKeysOnESP) throws -> String {
    try scene.findings(kind).first?.command?.description ?? ""
  }

  private func unstage() throws { #expect(try KeysUnstage().run(on: scene.host()).failures.isEmpty) }

  /// The command of the finding ends the finding.
  @Test func exportedKeysAreRemovedByTheCommand() throws {
    #expect(try command() == "pve-sb-uki keys unstage")
    try unstage()
    #expect(try scene.root.list("/boot/efi/EFI").isEmpty && scene.findings(.exportedKeysOnESP).isEmpty)
  }

  @Test func otherFilesInTheDirectoryAreKept() throws {
    try scene.root.write("\(Self.directory)/it's mine.txt", "x")
    try unstage()
    #expect(try scene.root.list(Self.directory) == ["it's mine.txt"] && scene.findings(.exportedKeysOnESP).isEmpty)
  }

  @Test func anyNameAndDirectoryIsFound() throws {
    let certificate = try #require(try scene.root.read("\(Self.directory)/db.cer"))
    try unstage()
    try scene.root.write("/boot/efi/it's $(touch x).cer", certificate)
    try scene.root.write("/boot/efi/a\u{1b}[2J.cer", certificate)
    #expect(try scene.findings(.exportedKeysOnESP).count == 1 && command() == "pve-sb-uki keys unstage")
    try unstage()
    #expect(try scene.root.list("/boot/efi") == ["EFI"])
  }

  @Test func foreignFilesAreNotReported() throws {
    try unstage()
    try scene.root.write("/boot/efi/EFI/other/db.cer", scene.certificate("/CN=Another Owner"))
    try scene.root.write("\(Self.directory)/db.esl", [UInt8](repeating: 0xff, count: 100))
    try scene.root.write("\(Self.directory)/db.auth", [])
    #expect(try scene.findings(.exportedKeysOnESP).isEmpty)
  }

  /// Files of earlier keys would be enrolled instead of those that sign.
  @Test func filesOfAnotherCertificateAreReportedInAnyMode() throws {
    try unstage()
    try scene.put(.setupMode, [1])
    try scene.root.write("\(Self.directory)/db.cer", scene.certificate("/CN=Earlier keys"))
    #expect(try scene.findings(.exportedKeysOnESP).map { $0.message.contains("another certificate") } == [true])
    try unstage()
    #expect(try scene.findings(.exportedKeysOnESP).isEmpty)
  }

  @Test func keysThatAreNotEnrolledYetAreNeeded() throws {
    try scene.put(.setupMode, [1])
    #expect(try scene.findings(.exportedKeysOnESP).isEmpty)
    try scene.put(.setupMode, [0])
    try scene.put(.platformKey, certificates: [scene.certificate("/CN=Vendor")])
    #expect(try scene.findings(.exportedKeysOnESP).isEmpty)
  }

  @Test func aRemovalOfThePlatformKeyIsReportedWithItsCommand() throws {
    var scene = scene
    scene.context.keyRemovals = ["/boot/efi": ["/EFI/keys/noPK.auth"], "other": ["/x"]]
    let finding = try #require(try scene.findings(.keyRemovalOnESP).first)
    // keys unstage removes only what this host's PK has signed.
    #expect(finding.command?.description == "rm -- \(scene.root.path(of: "/boot/efi/EFI/keys/noPK.auth"))")
    #expect(finding.severity == .attention)
    var export = KeysExport()
    export.directory = scene.root.path(of: "removal")
    export.isRemoval = true
    _ = try export.run(on: scene.host())
    try scene.root.write("/boot/efi/EFI/keys/noPK.auth", #require(try scene.root.read("removal/noPK.auth")))
    #expect(try scene.findings(.keyRemovalOnESP).first?.command == "pve-sb-uki keys unstage")
    try unstage()
    #expect(try scene.root.read("/boot/efi/EFI/keys/noPK.auth") == nil)
  }

  @Test func anUnmountedESPIsMountedForTheCommand() throws {
    var scene = try MachineScene()
    scene.context.esps = [ESP(source: .listed("1111-AAA1"))]
    scene.context.keyRemovals = ["1111-AAA1": ["/noPK.auth"]]
    let device = scene.root.path(of: "/dev/disk/by-uuid/1111-AAA1")
    #expect(
      try scene.findings(.keyRemovalOnESP).first?.command?.description
        == "mount \(device) /mnt && rm -- /mnt/noPK.auth; umount /mnt")
  }

  @Test func aDamagedFileIsNoCrash() throws {
    for name in ["db.auth", "db.esl", "db.cer", "db.crt"] {
      let bytes = try #require(try scene.root.read("\(Self.directory)/\(name)"))
      for damaged in Mutations(of: bytes, count: 100) {
        try scene.root.write("\(Self.directory)/\(name)", damaged)
        _ = try scene.findings(.exportedKeysOnESP)
      }
    }
  }
}

/// Where private keys are stored.
@Suite struct SecretStorageTests {
  private let scene: MachineScene

  init() throws {
    scene = try MachineScene()
    try KeysFixture.install(in: scene.root)
    try mount("8:2", "ext4", "/dev/sda2")
    try scene.root.write("sys/devices/pci/block/sda/sda2/partition", "2\n")
    try link("sys/dev/block/8:2", to: "../../devices/pci/block/sda/sda2")
  }

  private func mount(_ device: String, _ type: String, _ source: String, at path: String = "/") throws {
    try scene.root.write(
      "proc/self/mountinfo", "22 1 \(device) / \(path) rw,relatime shared:1 - \(type) \(source) rw\n")
  }

  private func link(_ name: String, to target: String) throws {
    let path = scene.root.path(of: name)
    try FileSystem().makeDirectory(PathName(path).directory)
    #expect(symlink(target, path) == 0)
  }

  private func isReported() throws -> Bool { try !scene.findings(.secretUnencrypted).isEmpty }

  @Test func aKeyOnAPartitionIsReportedAsANote() throws {
    let finding = try #require(try scene.findings(.secretUnencrypted).first)
    #expect(finding.severity == .note)
    for name in ["PK.key", "KEK.key", "db.key"] { #expect(finding.message.contains("keys/\(name)")) }
    #expect(!finding.message.contains("db.crt"))
  }

  /// Proxmox's root is LVM; the physical volume is a LUKS device here.
  @Test func lvmOnLUKSIsEncrypted() throws {
    try mount("253:1", "ext4", "/dev/mapper/pve-root")
    try scene.root.write("sys/devices/virtual/block/dm-1/dm/uuid", "LVM-abcdef\n")
    try scene.root.write("sys/devices/virtual/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123-cryptroot\n")
    try link("sys/dev/block/253:1", to: "../../devices/virtual/block/dm-1")
    try link("sys/devices/virtual/block/dm-1/slaves/dm-0", to: "../../dm-0")
    try link("sys/devices/virtual/block/dm-0/slaves/sda2", to: "../../../../pci/block/sda/sda2")
    #expect(try !isReported())
    try scene.root.write("sys/devices/virtual/block/dm-0/dm/uuid", "mpath-36001\n")
    #expect(try isReported())
  }

  @Test func aMirrorWithOneUnencryptedHalfIsUnencrypted() throws {
    try mount("259:5", "ext4", "/dev/md0p1")
    try scene.root.write("sys/devices/virtual/block/md0/md0p1/partition", "1\n")
    try link("sys/dev/block/259:5", to: "../../devices/virtual/block/md0/md0p1")
    try scene.root.write("sys/devices/virtual/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123-a\n")
    try link("sys/devices/virtual/block/md0/slaves/dm-0", to: "../../dm-0")
    #expect(try !isReported())
    try link("sys/devices/virtual/block/md0/slaves/sda2", to: "../../../../pci/block/sda/sda2")
    #expect(try isReported())
  }

  @Test(arguments: [("0:25", "zfs", "rpool/ROOT/pve-1"), ("0:30", "btrfs", "/dev/sda2"), ("8:99", "ext4", "/dev/x")])
  func anUnknownStorageIsNotReported(device: String, type: String, source: String) throws {
    try mount(device, type, source)
    #expect(try !isReported())
  }

  @Test func aKeyWithAPassphraseIsNotReported() throws {
    let locked = """
      -----BEGIN ENCRYPTED PRIVATE KEY-----
      AAAA
      -----END ENCRYPTED PRIVATE KEY-----
      """
    for name in ["PK.key", "KEK.key", "db.key"] { try scene.root.write("\(KeysCreateTests.directory)/\(name)", locked) }
    #expect(try !isReported())
  }

  @Test func aLoopOfDevicesEnds() throws {
    try mount("253:1", "ext4", "/dev/mapper/a")
    try scene.root.write("sys/devices/virtual/block/dm-1/dm/uuid", "LVM-a\n")
    try link("sys/dev/block/253:1", to: "../../devices/virtual/block/dm-1")
    for number in 0..<8 { try link("sys/devices/virtual/block/dm-1/slaves/dm-\(number)", to: "../../dm-1") }
    #expect(try !isReported())
  }

  @Test func anExposedSecretHasACommand() throws {
    var scene = try MachineScene()
    try KeysFixture.install(in: scene.root)
    chmod(scene.root.path(of: "\(KeysCreateTests.directory)/db.key"), 0o644)
    let path = "\(KeysCreateTests.directory)/db.key"
    let absolute = path.hasPrefix("/") ? path : "/" + path
    scene.context.exposures = try scene.host().exposures(of: absolute, forbidden: 0o077, wanted: 0o600)
    let finding = try #require(try scene.findings(.secretExposed).first)
    #expect(finding.command?.description == "chmod 600 \(scene.root.path(of: absolute))")
  }
}

/// Disks that were copied.
@Suite struct ClonedDiskTests {
  private let scene: MachineScene
  private static let guid = "11112222-3333-4444-5555-666677778888"
  init() throws { scene = try MachineScene() }

  private func add(
    _ number: String, _ name: String, serial: String, guid: String = guid,
    type: String = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
  ) throws {
    try scene.root.write(
      "run/udev/data/b\(number)",
      """
      S:disk/by-partuuid/\(guid)
      I:123456
      E:ID_SERIAL=\(serial)
      E:ID_PART_ENTRY_SCHEME=gpt
      E:ID_PART_ENTRY_UUID=\(guid)
      E:ID_PART_ENTRY_TYPE=\(type)
      E:ID_PART_ENTRY_DISK=8:0
      G:systemd

      """)
    try scene.root.write("sys/dev/block/\(number)/uevent", "MAJOR=8\nDEVNAME=\(name)\n")
  }

  private func count() throws -> Int { try scene.findings(.duplicateEntries).count }

  @Test func aClonedESPIsReported() throws {
    try add("8:2", "sda2", serial: "A")
    try add("8:18", "sdb2", serial: "B")
    let finding = try #require(try scene.findings(.duplicateEntries).first)
    #expect(finding.message.contains("/dev/sda2 and /dev/sdb2") && finding.severity == .note)
  }

  @Test func differentGUIDsAndOtherPartitionsAreFine() throws {
    try add("8:2", "sda2", serial: "A")
    try add("8:18", "sdb2", serial: "B", guid: "11112222-3333-4444-5555-666677778889")
    let linux = "0fc63daf-8483-4772-8e79-3d69d8477de4"
    let other = "11112222-3333-4444-5555-66667777888a"
    try add("8:3", "sda3", serial: "A", guid: other, type: linux)
    try add("8:19", "sdb3", serial: "B", guid: other, type: linux)
    #expect(try count() == 0)
  }

  @Test func twoPathsToOneDiskAreFine() throws {
    try add("8:2", "sda2", serial: "A")
    try add("8:18", "sdb2", serial: "A")
    #expect(try count() == 0)
  }

  @Test func partsOfARAIDAreFine() throws {
    try add("8:2", "sda2", serial: "A")
    try add("8:18", "sdb2", serial: "B")
    try scene.root.write("sys/dev/block/8:18/holders/md127/x", "")
    #expect(try count() == 0)
  }

  @Test func aDamagedDatabaseIsNoCrash() throws {
    try add("8:2", "sda2", serial: "A")
    try add("8:18", "sdb2", serial: "B")
    let bytes = try #require(try scene.root.read("run/udev/data/b8:18"))
    for damaged in Mutations(of: bytes, count: 300) {
      try scene.root.write("run/udev/data/b8:18", damaged)
      _ = try count()
    }
  }
}

/// Modules that the kernel rejected, in the words of its source.
@Suite struct KernelLogTests {
  private static let log = """
    6,1,100,-;Linux version 6.12.43+deb13-amd64
    5,400,5140900,-;Loading of unsigned module is rejected
    5,401,5140901,-;Loading of module with unavailable key is rejected
    5,402,5140902,-,caller=T1;vboxdrv: loading of unsigned module is rejected
    5,403,5140903,-;evil mod: Loading of module with unavailable key is rejected
    5,404,5140904,-;Lockdown: systemd-udevd: unsigned module loading is restricted; see man kernel_lockdown.7
    4,405,5140905,-;nvidia: module verification failed: signature and/or required key missing - tainting kernel
    4,406,5140906,-;nvidia: module verification failed: signature and/or required key missing - tainting kernel
     SUBSYSTEM=module
    12,407,5140907,-;Loading of faked module is rejected
    6,408,5140908,-;Lockdown: Xorg: raw io port access is restricted; see man kernel_lockdown.7

    """

  @Test func rejectionsAreFound() {
    let log = KernelLog(parsing: Array(Self.log.utf8))
    #expect(
      log.rejections == [
        .init(reason: "unsigned module"), .init(reason: "module with unavailable key"),
        .init(module: "vboxdrv", reason: "unsigned module"),
        .init(module: "evil mod", reason: "module with unavailable key"),
        .init(program: "systemd-udevd", reason: "unsigned module"),
      ])
    #expect(log.unverified == ["nvidia"])
  }

  @Test func theFindingsNameTheModules() throws {
    let scene = try MachineScene()
    try scene.root.write("dev/kmsg", Self.log)
    let rejected = try #require(try scene.findings(.moduleRejected).first)
    #expect(rejected.message.contains("vboxdrv (unsigned module)") && rejected.severity == .attention)
    #expect(rejected.message.contains("unsigned module, loaded by systemd-udevd"))
    #expect(try scene.findings(.moduleUntrusted).first?.message.contains("nvidia") == true)
  }

  @Test func aQuietKernelHasNoFindings() throws {
    let scene = try MachineScene()
    #expect(try scene.findings(.moduleRejected).isEmpty)
    try scene.root.write("dev/kmsg", "6,1,100,-;module: all is well\n")
    #expect(MachineFindings.collect(on: try scene.host(), scene.context).isEmpty)
  }

  /// A reader that waited for messages would hang here.
  @Test func readingNeverWaits() throws {
    let scene = try MachineScene()
    try FileSystem().makeDirectory(scene.root.path(of: "dev"))
    let path = scene.root.path(of: "dev/kmsg")
    #expect(mkfifo(path, 0o600) == 0)
    #expect(try scene.host().files.kernelLog().isEmpty)
    // With a writer, an empty FIFO returns EAGAIN like the device.
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    #expect(write(descriptor, "5,1,1,-;Loading of x module is rejected\n", 40) == 40)
    #expect(try scene.host().files.kernelLog().count == 40)
  }

  @Test func theLogIsLimited() throws {
    let scene = try MachineScene()
    try scene.root.write("dev/kmsg", [UInt8](repeating: 0x61, count: 1 << 20))
    #expect(try scene.host().files.kernelLog(limit: 100_000).count == 100_000)
    let lines = (0..<10_000).map {
      "5,\($0),1,-;m\($0): loading of \(String(repeating: "module", count: 100)) is rejected\n"
    }
    let log = KernelLog(parsing: Array(lines.joined().utf8))
    #expect(log.rejections.count == 32 && log.rejections.allSatisfy { $0.reason.count == 65 })
  }

  @Test func aDamagedLogIsNoCrash() {
    for bytes in Mutations(of: Array(Self.log.utf8), count: 1000) { _ = KernelLog(parsing: bytes) }
  }

  @Test(arguments: [
    ("none [integrity] confidentiality\n", KernelLockdown.integrity), ("[none] integrity confidentiality", .inactive),
    ("none integrity [confidentiality]\n", .confidentiality), ("", nil), ("[]", nil), ("[other]", nil), ("none", nil),
  ])
  func lockdownIsRead(text: String, state: KernelLockdown?) throws {
    #expect(KernelLockdown.parse(text) == state)
    let scene = try MachineScene()
    #expect(try KernelLockdown.current(on: scene.host()) == nil)
    try scene.root.write("sys/kernel/security/lockdown", text)
    #expect(try KernelLockdown.current(on: scene.host()) == state)
  }
}
