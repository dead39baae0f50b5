// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import Glibc
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// `Promotion=trial`: a UKI comes first only after a confirmed boot.
@Suite struct TrialTests {
  private let scene: TrialScene
  private let old = "pve-\(TrialScene.older).efi"
  private let new = "pve-\(TrialScene.newer).efi"

  init() throws {
    scene = try TrialScene()
    try scene.install(TrialScene.newer)
  }

  private func settles() throws -> Bool {
    let recorder = MutationRecorder()
    try scene.mirror.apply(on: scene.mirror.host(recorder.gate))
    return recorder.mutations.isEmpty
  }

  @Test func aNewUKIIsArmedAndComesLast() throws {
    let report = try scene.mirror.apply()
    #expect(report.failures.isEmpty)
    #expect(try scene.first() == old)
    #expect(try scene.next() == "Proxmox VE \(TrialScene.newer) (trial)")
    #expect(report.notes.contains { "\($0)".contains("kernel \(TrialScene.newer) is tried at the next boot") })
    #expect(try scene.record.attempt?.isArmed == true)
    let variables = try scene.mirror.variables()
    let entry = try #require(variables.next)
    #expect(!variables.order.contains(entry))
    #expect(variables[entry]?.option?.optionalData == EFIText.serialize("@1"))
    // Two UKIs on two ESPs, after the trial's own entry.
    #expect(variables.entries.count { $0.option?.file?.path.hasPrefix("/EFI/Linux/") == true } == 5)
    #expect(try settles())
  }

  @Test func aConfirmedTrialIsPromoted() throws {
    try scene.mirror.apply()
    #expect(try scene.boot() == "\(new) @1")
    // What runs before the boot is confirmed changes nothing.
    try scene.mirror.apply()
    #expect(try scene.first() == old)
    #expect(try scene.next() == nil)
    #expect(try scene.record.attempt?.name.fileName == new)
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == new)
    #expect(try scene.record.attempt == nil)
    #expect(try scene.record.firmware == .works)
    #expect(try settles())
    #expect(try scene.boot() == new)
  }

  @Test func aDeadTrialIsNoticedAndNotRepeated() throws {
    try scene.mirror.apply()
    // The trial dies.
    #expect(try scene.boot() == "\(new) @1")
    #expect(try scene.boot() == old)
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == old)
    #expect(try scene.next() == nil)
    #expect(try scene.record.failures.map(\.name.fileName) == [new])
    #expect(try settles())
    for _ in 0..<2 {
      #expect(try scene.boot() == old)
      try scene.mirror.apply()
    }
    // Another initrd makes another UKI.
    try scene.directory.write("boot/initrd.img-\(TrialScene.newer)", "repaired")
    try scene.mirror.apply()
    #expect(try scene.next() == "Proxmox VE \(TrialScene.newer) (trial)")
    #expect(try scene.boot() == "\(new) @1")
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == new)
  }

  @Test func aRebuiltUKIOfTheSameKernelIsTriedToo() throws {
    try scene.mirror.apply()
    try scene.boot()
    try scene.confirm()
    try scene.mirror.apply()
    try scene.directory.write("boot/initrd.img-\(TrialScene.newer)", "changed")
    #expect(try scene.mirror.apply().failures.isEmpty)
    #expect(try scene.first() == "pve-\(TrialScene.newer)~previous.efi")
    #expect(try scene.boot() == "\(new) @1")
    #expect(try scene.boot() == "pve-\(TrialScene.newer)~previous.efi")
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == "pve-\(TrialScene.newer)~previous.efi")
    #expect(try scene.record.failures.count == 1)
  }

  /// The next boot cannot know whether the firmware was told.
  @Test(.enabled(if: SlowTests.run)) func anInterruptedRunIsArmedAgain() throws {
    let recorder = MutationRecorder()
    try scene.mirror.apply(on: scene.mirror.host(recorder.gate))
    let count = recorder.mutations.count
    for number in 1...count {
      let scene = try TrialScene()
      try scene.install(TrialScene.newer)
      let killed = MutationRecorder(.from(number))
      _ = try? scene.mirror.apply(on: scene.mirror.host(killed.gate))
      let started = try scene.boot()
      #expect(started == old || started == "\(new) @1", "change \(number)")
      if started == old {
        // Only what was tried can fail.
        try scene.mirror.apply()
        #expect(try scene.record.failures.isEmpty, "change \(number)")
        #expect(try scene.next() == "Proxmox VE \(TrialScene.newer) (trial)", "change \(number)")
        #expect(try scene.boot() == "\(new) @1", "change \(number)")
      }
      // It dies.
      #expect(try scene.boot() == old, "change \(number)")
    }
  }

  @Test(arguments: [TrialRecord.Firmware.repeats, .ignores])
  func firmwareThatDoesNotForgetIsDetected(_ firmware: TrialRecord.Firmware) throws {
    scene.firmware = firmware
    try scene.mirror.apply()
    try scene.boot()
    try scene.mirror.apply()
    if firmware == .ignores {
      // Perhaps kexec(2).
      #expect(try scene.record.firmware == nil && scene.next() != nil)
      try scene.boot()
      try scene.mirror.apply()
    }
    #expect(try scene.record.firmware == firmware)
    #expect(try scene.mirror.variables().next == nil)
    #expect(try scene.first() == new)
    #expect(try scene.record.failures.isEmpty)
  }

  @Test func aPinHasPrecedence() throws {
    try scene.directory.write("etc/kernel/proxmox-boot-pin", "\(TrialScene.newer)\n")
    let report = try scene.mirror.apply()
    #expect(try scene.first() == new)
    #expect(try scene.next() == nil)
    #expect(report.notes.contains { "\($0)".contains("boots first without a trial: it is pinned or preferred") })
  }

  @Test func aPinForTheNextBootHasPrecedence() throws {
    try scene.directory.write("etc/kernel/next-boot-pin", "\(TrialScene.older)\n")
    try scene.mirror.apply()
    #expect(try scene.next()?.contains(TrialScene.older) == true)
    #expect(try scene.record.attempt == nil)
  }

  @Test func aChoiceOfSomeoneElseStays() throws {
    try scene.put(.bootNext, BootOrder([0]).serialize())
    try scene.mirror.apply()
    #expect(try scene.mirror.variables().next == 0)
    #expect(try scene.record.attempt == nil)
    #expect(try scene.first() == old)
  }

  @Test func aTrialIsTakenBack() throws {
    try scene.mirror.apply()
    try scene.set("Chain=direct\nPromotion=immediate\n")
    try scene.mirror.apply()
    #expect(try scene.next() == nil)
    #expect(try scene.record.attempt == nil)
    #expect(try scene.first() == new)
  }

  /// A file with the same name on a stick, or another file under that name.
  @Test func anotherFileProvesNothing() throws {
    try scene.mirror.apply()
    try scene.boot()
    try scene.put(.stubDevicePartition, text: "99999999-0000-0000-0000-000000000000")
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == old)
    #expect(try scene.record.failures.count == 1)
  }

  @Test func anotherContentProvesNothing() throws {
    try scene.mirror.apply()
    try scene.boot()
    let path = scene.mirror.path(MirrorScene.serials[0], "/EFI/Linux/\(new)")
    var bytes = try #require(try scene.directory.read(path))
    bytes[bytes.count / 2] ^= 1
    try scene.directory.write(path, bytes)
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == old)
  }

  /// The log of a TPM names the programs that the firmware has started.
  @Test(arguments: [true, false]) func theTPMsLogIsBelieved(isMeasured: Bool) throws {
    try scene.mirror.apply()
    try scene.boot()
    let manifest = Manifest.load(from: try scene.mirror.host().files).manifest
    let name = try #require(UKIName(fileName: new))
    var digest = try #require(manifest.image(on: MirrorScene.serials[0], name)?.authenticode)
    if !isMeasured { digest[0] ^= 1 }
    var log = ByteWriter()
    // TCG_PCR_EVENT with the specification ID: SHA-256 alone.
    for word in [0, 3] { log.write(UInt32(word)) }
    let header = Array("Spec ID Event03\0".utf8) + [0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 11, 0, 32, 0, 0]
    log.write([UInt8](repeating: 0, count: 20))
    log.write(UInt32(header.count))
    log.write(header)
    // TCG_PCR_EVENT2: EV_EFI_BOOT_SERVICES_APPLICATION in PCR 4.
    for word in [4, 0x8000_0003, 1] { log.write(UInt32(word)) }
    log.write(UInt16(11))
    log.write(digest)
    log.write(UInt32(0))
    try scene.directory.write("sys/kernel/security/tpm0/binary_bios_measurements", log.bytes)
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == (isMeasured ? new : old))
  }

  @Test func anotherProfileProvesNothing() throws {
    try scene.mirror.apply()
    try scene.boot()
    try scene.put(.stubProfile, text: "0")
    try scene.mirror.apply()
    #expect(try scene.record.failures.count == 1)
  }

  /// A UKI that was built after the clock was set forward is older than the boot, it seems.
  @Test func theClockDecidesNothing() throws {
    try scene.mirror.apply()
    try scene.boot()
    try scene.confirm()
    try scene.directory.write("boot/initrd.img-\(TrialScene.newer)", "built since the boot")
    try scene.mirror.apply()
    #expect(try scene.mirror.apply().failures.isEmpty)
    // The boot was that of the UKI that was replaced, which is kept or tried, but never the new one.
    #expect(try scene.first() != new)
  }

  @Test func withoutVariablesNothingIsProven() throws {
    try scene.mirror.apply()
    try scene.boot()
    for variable in [EFIVariableName.stubImageIdentifier, .stubDevicePartition, .stubProfile, .stubInfo] {
      try scene.remove(variable)
    }
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == old)
  }

  /// A trial without a record would fail unnoticed.
  @Test func withoutARecordThereIsNoTrialButBootEntries() throws {
    let host = try scene.mirror.host { mutation in
      if mutation.path.hasPrefix("/var/lib/pve-sb-uki/"), mutation.path.contains("trial") {
        throw HostError("write", mutation.path, errno: ENOSPC)
      }
    }
    let report = try scene.mirror.apply(on: host)
    #expect(report.failures.count == 1)
    #expect(try scene.next() == nil && scene.record.attempt == nil)
    #expect(try scene.first() == old)
    let files = try scene.mirror.order()
    #expect(files.contains("\(new) on 0") && files.contains("\(new) on 1"))
    #expect(try scene.mirror.apply().failures.isEmpty)
    #expect(try scene.next() == "Proxmox VE \(TrialScene.newer) (trial)")
  }

  @Test func oneESPSuffices() throws {
    try scene.mirror.apply()
    try scene.boot()
    // The disk with the other ESP is gone.
    try scene.directory.write("etc/kernel/proxmox-boot-uuids", MirrorScene.serials[0])
    try scene.confirm()
    try scene.mirror.apply()
    #expect(try scene.first() == new)
  }

  @Test func theFirstUKINeedsNoTrial() throws {
    let mirror = try MirrorScene(isApplied: false)
    try mirror.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Chain=direct\nPromotion=trial\n")
    try mirror.directory.write("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000001\n")
    try mirror.directory.write("proc/stat", "btime 4000000000\n")
    try mirror.apply()
    #expect(try mirror.order().first == "pve-\(MirrorScene.newer).efi on 0")
    #expect(try mirror.variables().next == nil)
  }

  /// The words for a trial are in every UKI, since the stub cannot choose.
  @Test func anOldStubBootsTheUsualEntry() throws {
    let scene = try TrialScene(hasProfiles: false)
    try scene.install(TrialScene.newer)
    let report = try scene.mirror.apply()
    #expect(report.failures.isEmpty)
    #expect(try scene.first() == old)
    #expect(try scene.next() == "Proxmox VE \(TrialScene.newer)")
    let path = scene.directory.path(of: scene.mirror.path(MirrorScene.serials[0], "/EFI/Linux/\(new)"))
    let line = try ScratchFile()
    try ExternalTool("objcopy").run(["--dump-section", ".cmdline=\(line.path)", path, ScratchFile().path])
    #expect(
      String(decoding: try line.bytes(), as: UTF8.self)
        == "root=/dev/mapper/pve-root ro pve-sb-uki.guard panic=30 rd.shell=0 rd.emergency=reboot")
    #expect(try scene.boot() == new)
    #expect(try scene.boot() == old)
    try scene.mirror.apply()
    #expect(try scene.record.failures.count == 1)
  }
}
