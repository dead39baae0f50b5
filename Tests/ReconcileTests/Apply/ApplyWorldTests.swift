// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import BootEnvironment
import Glibc
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// Events during or between runs.
@Suite struct ApplyWorldTests {
  private let serials = MirrorScene.serials
  /// The boot order if only the first ESP has its boot loader.
  private let first = [
    "systemd-bootx64.efi on 0", "pve-\(MirrorScene.newer).efi on 0", "pve-\(MirrorScene.older).efi on 0",
    "grubx64.efi on 0",
  ]

  /// Another run may hold the lock for minutes; data read before that may be outdated.
  @Test func changesWhileWaitingForTheLockTakeEffect() throws {
    let machine = try MirrorScene(isApplied: false)
    let directory = machine.directory
    let host = try machine.host { mutation in
      guard mutation == Mutation(.create, Apply.lockPath) else { return }
      try directory.write("etc/kernel/proxmox-boot-uuids", MirrorScene.serials[1])
    }
    #expect(try machine.apply(on: host).failures.isEmpty)
    #expect(try machine.image(serials[0], MirrorScene.newer) == nil)
    #expect(try machine.image(serials[1], MirrorScene.newer) != nil)
  }

  @Test func disablingWhileWaitingForTheLockTakesEffect() throws {
    let machine = try MirrorScene(isApplied: false)
    let directory = machine.directory
    let host = try machine.host { mutation in
      guard mutation == Mutation(.create, Apply.lockPath) else { return }
      try directory.write(Configuration.path, "Enabled=no\n")
    }
    #expect(try machine.apply(on: host).skipReason == .disabled)
  }

  /// Otherwise a run could undo what another has just recorded.
  @Test func failuresAreRecordedUnderTheLock() throws {
    let machine = try MirrorScene(isApplied: false)
    try FailureRecord(time: 1, messages: ["it went wrong"]).save(to: machine.host().files)
    let other = try machine.host()
    let host = try machine.host { mutation in
      guard mutation == Mutation(.remove, FailureRecord.path) else { return }
      #expect(thrown(HostError.self) { try other.files.lock(Apply.lockPath, waitingAtMost: 0) } != nil)
    }
    #expect(try machine.apply(on: host).failures.isEmpty)
    #expect(try FailureRecord.load(from: other.files) == nil)
  }

  @Test func leftoversOfABootLoaderAreRemoved() throws {
    let machine = try MirrorScene()
    let own = [
      "/EFI/pve-sb-uki/.systemd-bootx64.efi", "/EFI/BOOT/.BOOTX64.EFI", "/EFI/BOOT/.grubx64.efi",
      "/loader/.loader.conf",
    ].map { "\($0).0011223344556677.pve-sb-uki.tmp" }
    let others = ["/EFI/BOOT/.BOOTX64.EFI.tmp", "/EFI/BOOT/BOOTX64.EFI", "/loader/.entries.srel.pve-sb-uki.tmp"]
    for path in own + others { try machine.directory.write(machine.path(serials[0], path), "half") }
    #expect(try machine.apply().failures.isEmpty)
    for path in own { #expect(try machine.directory.read(machine.path(serials[0], path)) == nil, "\(path)") }
    for path in others { #expect(try machine.directory.read(machine.path(serials[0], path)) != nil, "\(path)") }
  }

  /// Updates made by efitools: those that empty a variable are named, wherever they are and whatever their name.
  @Test func signedRemovalsOfKeysAreNamed() throws {
    let machine = try MirrorScene()
    let (key, certificate) = (try machine.scene.key.keyFile(), try machine.scene.key.certificateFile())
    func update(_ list: [UInt8]) throws -> [UInt8] {
      let (input, output) = (try ScratchFile(list), try ScratchFile())
      try ExternalTool("sign-efi-sig-list").run(["-k", key.path, "-c", certificate.path, "PK", input.path, output.path])
      return try output.bytes()
    }
    let (removal, enrolment) = (try update([]), try update([UInt8](repeating: 1, count: 80)))
    let paths = ["/noPK.auth", "/EFI/pve-sb-uki/NOPK.AUT", "/keys/very/deep/in.here/rm_PK.auth"]
    for path in paths { try machine.directory.write(machine.path(serials[0], path), removal) }
    for path in ["/keys/PK.auth", "/keys/noPK.txt"] {
      try machine.directory.write(machine.path(serials[0], path), path == "/keys/PK.auth" ? enrolment : Array("x".utf8))
    }
    for result in [try machine.apply(), try machine.apply()] {
      let notes = result.notes.filter { $0.contains("turns Secure Boot off") }
      #expect(notes.count == 3 && result.failures.isEmpty)
      for path in paths { #expect(notes.contains { $0.contains("\(serials[0])\(path) ") }, "\(path): \(notes)") }
    }
    // They are not pve-sb-uki's: the administrator may have made them on purpose.
    for path in paths { #expect(try machine.directory.read(machine.path(serials[0], path)) == removal) }
  }

  @Test func imagesRecoveredByFsckAreRemoved() throws {
    let machine = try MirrorScene()
    let image = try #require(try machine.image(serials[0], MirrorScene.newer))
    try machine.directory.write(machine.path(serials[0], "/FSCK0000.REC"), image)
    try machine.directory.write(machine.path(serials[0], "/FSCK0001.REC"), "of others")
    let result = try machine.apply()
    #expect(try machine.directory.read(machine.path(serials[0], "/FSCK0000.REC")) == nil)
    #expect(try machine.directory.read(machine.path(serials[0], "/FSCK0001.REC")) != nil)
    #expect(result.failures.isEmpty && result.notes.filter { $0.contains("FSCK0001.REC") }.count == 1)
  }

  @Test func aBootLoaderThatCannotBePlannedDoesNotStopOtherESPs() throws {
    let machine = try MirrorScene(isApplied: false)
    try machine.directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot257.bytes())
    try machine.directory.write(Configuration.path, "Chain=systemd-boot\n")
    let bad = machine.path(serials[1], LoaderConfiguration.path)
    try machine.directory.write(bad, String(repeating: "#\n", count: 1 << 16))
    let result = try machine.apply()
    #expect(result.failures.count == 1 && result.failures[0].description.contains("loader.conf"))
    #expect(try machine.directory.read(machine.path(serials[0], LoaderPath.amd64.systemdBoot)) != nil)
    #expect(result.loaders.allSatisfy { $0.hasPrefix(serials[0]) } && !result.loaders.isEmpty)
    #expect(try machine.order() == first)
    try machine.directory.write(bad, "timeout 3\n")
    #expect(try machine.apply().failures.isEmpty)
    #expect(try machine.directory.read(machine.path(serials[1], LoaderPath.amd64.systemdBoot)) != nil)
  }

  @Test func aBootLoaderThatCannotBeWrittenDoesNotStopOtherESPs() throws {
    let machine = try MirrorScene(isApplied: false)
    try machine.directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot257.bytes())
    try machine.directory.write(Configuration.path, "Chain=systemd-boot\n")
    let bad = machine.path(serials[1], LoaderPath.directory)
    let host = try machine.host { mutation in
      if mutation.path.hasPrefix(bad) { throw HostError("write", mutation.path, errno: ENOSPC) }
    }
    #expect(try machine.apply(on: host).failures.count == 1)
    #expect(try machine.order() == first)
    #expect(try machine.apply().failures.isEmpty)
    let images = [MirrorScene.newer, MirrorScene.older].flatMap { ["pve-\($0).efi on 0", "pve-\($0).efi on 1"] }
    let whole = ["systemd-bootx64.efi on 0", "systemd-bootx64.efi on 1"] + images + ["grubx64.efi on 0"]
    #expect(try machine.order() == whole)
    try machine.directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot252.bytes())
    #expect(try machine.apply(on: host).failures.count == 1)
    #expect(try Set(machine.order()) == Set(whole))
  }

  /// Another process, such as `status`, has it mounted for reading for a moment.
  @Test func aBrieflyBusyPartitionIsAwaited() throws {
    let machine = try MirrorScene(isApplied: false)
    var host = try machine.host()
    let good = host.partitions
    let attempts = MutationRecorder()
    host.partitions = PartitionAccess { device, access, label in
      if access == .writing {
        try attempts.gate(Mutation(.mount, label))
        if attempts.mutations.count < 3 { throw HostError("mount", device, errno: EBUSY) }
      }
      return try good.mount(device: device, access: access, label: label)
    } facts: {
      try good.facts(device: $0)
    }
    #expect(try machine.apply(on: host).failures.isEmpty)
    #expect(attempts.mutations.count == 4)
  }

  @Test func aHostWithAMissingKeyIsNotTreatedAsNew() throws {
    let machine = try MirrorScene()
    unlink(machine.directory.path(of: "etc/pve-sb-uki/keys/db.key"))
    #expect(try machine.apply().failures.isEmpty)
    try machine.directory.write("boot/initrd.img-\(MirrorScene.newer)", "changed")
    let result = try machine.apply()
    #expect(result.skipReason == nil && result.failures.first?.description.contains("db.key") == true)
    #expect(try FailureRecord.load(from: machine.host().files) != nil)
  }

  /// The list is being rewritten or was lost; an ESP mounted elsewhere is not the one with the UKIs.
  @Test(arguments: ["", nil]) func espsNoLongerListedAreReported(list: String?) throws {
    let machine = try MirrorScene()
    let path = "etc/kernel/proxmox-boot-uuids"
    if let list { try machine.directory.write(path, list) } else { unlink(machine.directory.path(of: path)) }
    let order = try machine.order()
    // Not the running system, where the directory would have to be a mount point.
    let failure = thrown(Failure.self) { try machine.scene.apply() }
    #expect(failure?.description.contains("1111-AAA1") == true && failure?.hint?.contains("Esp=") == true)
    #expect(try machine.scene.imageNames().isEmpty)
    #expect(thrown(Failure.self) { try machine.apply() } != nil)
    #expect(try machine.order() == order)
    try machine.directory.write(Configuration.path, "Esp=/boot/efi\n")
    #expect(try machine.scene.apply().failures.isEmpty)
    #expect(try !machine.scene.imageNames().isEmpty)
  }
}
