// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Glibc
import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import SigningKeys
import TestSupport
import Testing

/// `enroll --stage`: public parts for the firmware's menu on every ESP.
@Suite struct StageKeysTests {
  private let scene: StageScene
  private let serials = StageScene.serials
  private static let menu = StageScene.menu

  init() throws { scene = try StageScene(chain: "direct") }

  private func files(_ serial: String) throws -> [String] {
    try scene.list(serial, Self.menu).filter { !$0.hasSuffix(".efi") }
  }

  @Test func everyESPGetsThePublicParts() throws {
    let result = try scene.stage()
    #expect(result.failures.isEmpty && result.partitions.map(\.name) == serials)
    for serial in serials {
      #expect(try files(serial) == StageScene.menuFiles)
      for role in ["PK", "KEK", "db"] {
        let certificate = scene.directory.path(of: "etc/pve-sb-uki/keys/\(role).crt")
        let der = try ExternalTool("openssl").run(["x509", "-in", certificate, "-outform", "DER"])
        #expect(try scene.read(serial, "\(Self.menu)/\(role).cer") == der)
      }
      #expect(try scene.content(serial, Self.menu).values.allSatisfy { !$0.hasPart("PRIVATE KEY") })
    }
    #expect(result.nextCommand == "systemctl reboot")
  }

  /// The firmware would reject an update that differs from what efitools makes of the list.
  @Test func updatesMatchEfitools() throws {
    try scene.stage()
    let update = try AuthenticatedVariable(parsing: #require(try scene.read(serials[0], "\(Self.menu)/db.auth")))
    let time = update.time.description.split(separator: " ").prefix(2).joined(separator: " ")
    let keys = scene.directory.path(of: "etc/pve-sb-uki/keys")
    for (name, signer) in [("db", "KEK"), ("KEK", "PK"), ("PK", "PK")] {
      let list = scene.directory.path(of: scene.machine.path(serials[0], "\(Self.menu)/\(name).esl"))
      let theirs = scene.directory.path(of: "their.auth")
      try ExternalTool("sign-efi-sig-list").run([
        "-t", time, "-k", "\(keys)/\(signer).key", "-c", "\(keys)/\(signer).crt", name, list, theirs,
      ])
      #expect(try scene.read(serials[0], "\(Self.menu)/\(name).auth") == scene.directory.read("their.auth"))
    }
  }

  @Test func aSecondRunWritesNothing() throws {
    try scene.stage()
    let recorder = MutationRecorder()
    let result = try scene.stage(on: scene.host(recorder))
    #expect(result.partitions.allSatisfy { $0.written.isEmpty && $0.unchanged == 9 })
    #expect(recorder.mutations.filter { !$0.path.contains("/run/") }.isEmpty)
  }

  @Test func aDryRunWritesNothing() throws {
    let recorder = MutationRecorder()
    let result = try scene.stage(dryRun: true, on: scene.host(recorder))
    #expect(result.partitions.allSatisfy { $0.written.count == 9 })
    #expect(recorder.mutations.isEmpty)
    #expect(try files(serials[0]).isEmpty)
  }

  /// An update replaces the list: without Microsoft's certificates in it, cards and shim would stop working.
  @Test func theVendorsCertificatesAreKept() throws {
    let lists = try scene.vendorLists()
    for variable in [EFIVariableName.keyExchangeKey, .signatureDatabase] {
      try scene.machine.put(variable, #require(lists[variable]))
    }
    let result = try scene.stage()
    for (name, variable) in [("KEK", EFIVariableName.keyExchangeKey), ("db", .signatureDatabase)] {
      let theirs = try scene.fingerprints(#require(lists[variable]))
      let staged = try scene.fingerprints(#require(try scene.read(serials[0], "\(Self.menu)/\(name).esl")))
      #expect(staged.isSuperset(of: theirs) && staged.count == theirs.count + 1 && theirs.count == 2)
      let shown = result.lists.filter { $0.name == name }.flatMap(\.entries).filter { $0.origin != .own }
      #expect(Set(shown.compactMap(\.fingerprint)) == theirs)
    }
    try scene.stage(vendor: .none)
    #expect(try scene.fingerprints(#require(try scene.read(serials[0], "\(Self.menu)/db.esl"))).count == 1)
  }

  /// Firmware empties its lists on the way to Setup Mode.
  @Test func theFirmwaresDefaultsReplaceEmptyLists() throws {
    let lists = try scene.vendorLists()
    let defaults = EFIVariableName.signatureDatabaseDefault
    try scene.machine.put(defaults, #require(lists[.signatureDatabase]))
    #expect(try scene.stage().lists.map { $0.entries.count { $0.origin != .own } } == [0, 2])
    // Nothing to keep is worth a note.
    try scene.directory.host().files.remove("\(EFIVariableStore.directory)/\(defaults.fileName)")
    #expect(try scene.stage().notes.contains { $0.contains("no certificates of a vendor") })
  }

  @Test func aDamagedListIsKeptAsFarAsItCanBeRead() throws {
    let list = try #require(try scene.vendorLists()[.signatureDatabase])
    for damaged in Mutations(of: list, count: 40) {
      try scene.machine.put(.signatureDatabase, damaged)
      let staged = try scene.stage()
      #expect(staged.failures.isEmpty)
    }
  }

  @Test func theCertificateThatSignsIsStaged() throws {
    let key = try SigningKey("Elsewhere")
    try scene.directory.write("srv/sign.crt", try key.certificate.serializedPEM())
    try scene.directory.write(Configuration.path, "Chain=direct\nKey=pkcs11:token=none\nCertificate=/srv/sign.crt\n")
    try scene.stage()
    #expect(try scene.read(serials[1], "\(Self.menu)/db.cer") == key.certificate.der)
  }

  @Test func withoutPKAndKEKOnlyTheCertificateIsStaged() throws {
    let files = try scene.directory.host().files
    for name in ["PK.key", "PK.crt", "KEK.key", "KEK.crt"] { try files.remove("/etc/pve-sb-uki/keys/\(name)") }
    let result = try scene.stage()
    #expect(try self.files(serials[0]) == ["db.cer"])
    #expect(result.steps.contains { $0.contains("db.cer to db") })
    #expect(thrown(Failure.self) { try scene.stage(automatic: true) }?.hint != nil)
  }

  /// A power cut leaves files of which systemd-boot and menus accept none, or all; the next run completes them.
  @Test func aPowerCutAtAnyChangeIsResumed() throws {
    let recorder = MutationRecorder()
    try scene.stage(on: scene.host(recorder))
    let complete = try scene.content(serials[0], Self.menu)
    for number in 1...recorder.mutations.count {
      let scene = try StageScene(chain: "direct", isApplied: false)
      _ = try? scene.stage(on: scene.host(MutationRecorder(.from(number))))
      for serial in serials where try scene.list(serial, Self.menu).contains("PK.auth") {
        #expect(try scene.list(serial, Self.menu).filter { !$0.hasPrefix(".") } == StageScene.menuFiles, "\(number)")
      }
      #expect(try scene.stage().failures.isEmpty, "\(number)")
      for serial in serials {
        #expect(
          try Set(scene.content(serial, Self.menu).keys.filter { !$0.hasPrefix(".") }) == Set(StageScene.menuFiles))
      }
    }
    #expect(complete.count == 9)
  }

  /// A full ESP or one that is pulled: its error is reported, and nothing new is left on it.
  @Test func anErrorOnOneESPLeavesNothingHalf() throws {
    let recorder = MutationRecorder()
    try scene.stage(on: scene.host(recorder))
    let first = recorder.mutations.indices.filter { recorder.mutations[$0].path.contains(serials[0]) }
    for index in first {
      let scene = try StageScene(chain: "direct", isApplied: false)
      let result = try scene.stage(on: scene.host(MutationRecorder(.only(index + 1), errno: ENOSPC)))
      guard !result.failures.isEmpty else { continue }
      #expect(result.failures.count == 1 && result.failures[0].message.contains(serials[0]), "\(index)")
      #expect(try scene.list(serials[0], Self.menu).filter { !$0.hasPrefix(".") }.isEmpty, "\(index)")
      #expect(try scene.list(serials[1], Self.menu) == StageScene.menuFiles, "\(index)")
    }
  }

  /// After new keys were made, no file of the old ones stays, and PK's old update goes first.
  @Test func filesOfOtherKeysAreReplaced() throws {
    try scene.stage()
    try scene.write(serials[0], "\(Self.menu)/db.der", [1, 2, 3])
    let files = try scene.directory.host().files
    for name in try scene.directory.list("etc/pve-sb-uki/keys") { try files.remove("/etc/pve-sb-uki/keys/\(name)") }
    try files.removeDirectory("/etc/pve-sb-uki/keys")
    _ = try KeysCreate().run(on: scene.directory.host())
    let recorder = MutationRecorder()
    try scene.stage(on: scene.host(recorder))
    let onESP = recorder.mutations.filter { $0.path.contains(serials[0]) }
    #expect(onESP.first?.kind == .remove && onESP.first?.path.hasSuffix("PK.auth") == true)
    #expect(try self.files(serials[0]) == StageScene.menuFiles)
    let own = OwnKeyFiles(of: try scene.directory.host(), certificate: nil)
    #expect(try scene.content(serials[0], Self.menu).values.allSatisfy(own.contain))
  }

  @Test func aMissingESPIsAFailure() throws {
    try scene.directory.write("etc/kernel/proxmox-boot-uuids", "1111-AAA1\n9999-FFF9\n")
    let result = try scene.stage()
    #expect(result.partitions.map(\.name) == ["1111-AAA1"])
    #expect(result.failures.count == 1 && result.failures[0].message.contains("9999-FFF9"))
  }

  // MARK: The menu

  @Test(arguments: [
    ("sys_vendor", "Dell Inc.", "F2", "db.cer"), ("sys_vendor", "HPE", "F9", "db.cer"),
    ("board_vendor", "Supermicro", "Del", "db.auth"), ("sys_vendor", "LENOVO", "F1", "db.cer"),
    ("board_vendor", "ASRockRack", "F2 or Del", "db.auth"), ("sys_vendor", "GIGABYTE", "Del", "db.auth"),
    ("bios_vendor", "American Megatrends International, LLC.", "Del or F2", "db.auth"),
    ("sys_vendor", "QEMU", "Esc", "db.cer"), ("bios_vendor", "Somebody", "often Del, F2 or F10", "EFI/pve-sb-uki"),
  ])
  func theMenuOfTheVendorIsDescribed(field: String, name: String, key: String, file: String) throws {
    try scene.directory.write("sys/class/dmi/id/\(field)", "\(name)\n")
    let steps = MenuWalk(of: try scene.host()).steps(.replaceAll(isInSetupMode: true))
    #expect(steps[0].contains(key))
    #expect(steps.contains { $0.contains(file) } && steps.last == "Turn Secure Boot on, and save.")
    let before = MenuWalk(of: try scene.host()).steps(.replaceAll(isInSetupMode: false))
    #expect(before.count == steps.count + 1)
  }
}

extension [UInt8] {
  fileprivate func hasPart(_ text: String) -> Bool {
    let part = Array(text.utf8)
    return indices.contains { self[$0...].starts(with: part) }
  }
}
