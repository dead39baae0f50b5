// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Findings
import HostCommands
import HostScenes
import HostSystem
import KeyEnrolment
internal import Messages
import SigningKeys
import TestSupport
import Testing

@Suite struct EnrolFirmwareTests {
  let scene: EnrolScene
  init() throws { scene = try EnrolScene() }

  /// Everything in the firmware, by file.
  private func variables() throws -> [String: [UInt8]] {
    let names = try scene.directory.list(EFIVariableStore.directory)
    return try names.reduce(into: [:]) { $0[$1] = try scene.directory.read("\(EFIVariableStore.directory)/\($1)") }
  }

  /// Runs `body`, which must write no variable and no undo bundle.
  private func unchanged(_ body: () throws -> Void) throws {
    let before = try variables()
    try body()
    let after = try variables()
    #expect(after == before)
    let bundles = try scene.directory.list("var/lib/pve-sb-uki/undo")
    #expect(bundles.isEmpty)
  }

  // MARK: What is written

  @Test func aFreshMachineGetsDbThenKEKThenPK() throws {
    let outcome = try scene.run()
    #expect(outcome.isDone && outcome.plan.refusals.isEmpty, "\(outcome.plan.refusals)")
    #expect(outcome.written == ["db", "KEK", "PK"])
    #expect(try scene.isEnrolled())
  }

  @Test func aSecondRunWritesNothing() throws {
    try scene.run()
    try scene.mirror.put(.setupMode, [0])
    let recorder = MutationRecorder()
    let outcome = try scene.run(on: scene.host(recorder.gate))
    #expect(!outcome.isDone && !outcome.plan.isChange && outcome.plan.refusals.isEmpty)
    #expect(recorder.mutations.allSatisfy { $0.path.hasPrefix("/run/") }, "\(recorder.mutations)")
  }

  @Test func theVendorsListsAreKept() throws {
    try scene.putFactory(.signatureDatabase, .keyExchangeKey, .forbiddenDatabase)
    try scene.installShim()
    let outcome = try scene.run()
    #expect(outcome.isDone && outcome.written == ["db", "KEK", "PK"], "\(outcome.plan.refusals)")
    for role in [KeyRole.signatureDatabase, .keyExchangeKey] {
      let vendor = try SignatureDatabase(parsing: EnrolScene.factoryData(role.variable))
      #expect(vendor.lists.allSatisfy { $0.signatures.count == 1 })
      #expect(try scene.file(role.variable) == scene.expected(role, after: vendor.serialize()))
    }
    #expect(try scene.file(.platformKey) == scene.expected(.platformKey))
    #expect(outcome.plan.paths.allSatisfy { $0.starts }, "\(outcome.plan.paths)")
    let names = outcome.plan.lists.flatMap(\.entries).filter { $0.origin == .microsoft }.map(\.name.description)
    #expect(names.contains { $0.contains("Microsoft Corporation UEFI CA 2011") })
    #expect(outcome.plan.notes.contains { $0.contains("has no 'Microsoft UEFI CA 2023'") })
  }

  @Test func anEmptyListGetsTheFactorys() throws {
    try scene.putFactory(.signatureDatabase, .keyExchangeKey, .forbiddenDatabase, asDefault: true)
    let outcome = try scene.run()
    #expect(outcome.written == ["db", "KEK", "dbx", "PK"], "\(outcome.plan.refusals)")
    let db = try EnrolScene.factoryData(.signatureDatabase)
    #expect(try scene.file(.signatureDatabase) == scene.expected(.signatureDatabase, after: db))
    let dbx = try EnrolScene.factoryData(.forbiddenDatabase)
    #expect(try scene.file(.forbiddenDatabase) == [0x27, 0, 0, 0] + dbx)
  }

  /// shim looks only at the first certificate of a list.
  @Test func eachCertificateGetsItsOwnList() throws {
    let others = try [SigningKey("Other 1"), SigningKey("Other 2")].map { $0.certificate.der }
    let size = others.map(\.count).max() ?? 0
    var writer = ByteWriter()
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    try #require(others.allSatisfy { $0.count == size })
    writer.write(SignatureType.x509.guid.bytes)
    for number in [28 + 2 * (16 + size), 0, 16 + size] { writer.write(UInt32(number)) }
    for other in others { writer.write(owner.bytes + other) }
    try scene.put(.signatureDatabase, writer.bytes)
    try scene.run()
    let content = try #require(try scene.file(.signatureDatabase))
    let lists = try SignatureDatabase(parsing: Array(content.dropFirst(4))).lists
    #expect(lists.count == 3 && lists.allSatisfy { $0.signatures.count == 1 })
  }

  @Test func certificatesAndListsAreAdded() throws {
    let (pem, der) = (try SigningKey("Other 1"), try SigningKey("Other 2"))
    let list = SignatureDatabase(
      certificates: [try SigningKey("Other 3").certificate.der], owner: EFIVariableName.globalVendor)
    let files = [
      try ScratchFile(try pem.certificate.serializedPEM()), try ScratchFile(der.certificate.der),
      try ScratchFile(list.serialize()),
    ]
    let outcome = try scene.run { $0.additions = files.map(\.path) }
    let names = try #require(outcome.plan.steps.first).entries.map(\.name.description)
    #expect(names.dropFirst() == ["CN = Other 1", "CN = Other 2", "CN = Other 3"])
    let junk = try ScratchFile(Array("junk".utf8))
    #expect(throws: Failure.self) { try scene.run { $0.additions = [junk.path] } }
  }

  // MARK: Refusals

  @Test func outsideSetupModeTheOtherRoadsAreNamed() throws {
    try scene.mirror.put(.setupMode, [0])
    try scene.putFactory(.platformKey, .keyExchangeKey, .signatureDatabase)
    try unchanged {
      let refusal = try #require(try scene.run().plan.refusals.first)
      #expect(refusal.kind == .notInSetupMode && refusal.hint?.contains("enroll --stage") == true)
    }
    try scene.put(.keyExchangeKey, Array(scene.expected(.keyExchangeKey).dropFirst(4)))
    let refusal = try #require(try scene.run().plan.refusals.first)
    #expect(refusal.kind == .notInSetupMode && refusal.hint?.contains("--append") == true)
  }

  @Test func pathsThatStartNowMustStartThen() throws {
    try scene.putFactory(.signatureDatabase, .keyExchangeKey, .forbiddenDatabase)
    try scene.installShim()
    try unchanged {
      let outcome = try scene.run { $0.vendor = .none }
      #expect(outcome.kinds == [.lostBootPath, .lostOptionROM])
      #expect(outcome.plan.refusals.allSatisfy { $0.hint?.contains("accept it with --lose-") == true })
    }
    let outcome = try scene.run {
      $0.vendor = .none
      $0.risks = [.bootPaths, .optionROMs]
    }
    #expect(outcome.isDone)
    #expect(try scene.isEnrolled())
  }

  /// A program without a signature is what Secure Boot rejects.
  @Test func unsignedProgramsAfterTheUKIsAreNamedOnly() throws {
    let serial = MirrorScene.serials[0]
    try scene.directory.write(scene.mirror.path(serial, "/EFI/proxmox/grubx64.efi"), Fixture.stub257.bytes())
    let outcome = try scene.run()
    #expect(outcome.isDone, "\(outcome.plan.refusals)")
    #expect(outcome.plan.notes.contains { $0.contains("will not start with Secure Boot on: it is not signed") })
    #expect(outcome.plan.paths.filter { !$0.starts }.count == 1)
  }

  @Test func theFirstPathMustStartEvenIfItIsUnsigned() throws {
    let serial = MirrorScene.serials[0]
    try scene.directory.write(scene.mirror.path(serial, "/EFI/proxmox/grubx64.efi"), Fixture.stub257.bytes())
    let numbers = try scene.mirror.variables().order
    try scene.mirror.put(.bootOrder, BootOrder([0] + numbers.filter { $0 != 0 }).serialize())
    try unchanged {
      let kinds = try scene.run().kinds
      #expect(kinds == [.lostBootPath])
    }
  }

  @Test func everyESPNeedsAUKIThatStarts() throws {
    let path = scene.mirror.path(MirrorScene.serials[1], "/EFI/Linux/pve-\(MirrorScene.newer).efi")
    var content = try #require(try scene.directory.read(path))
    content[content.count / 2] ^= 1
    try scene.directory.write(path, content)
    try unchanged {
      let refusals = try scene.run().plan.refusals
      #expect(refusals.contains { $0.kind == .noUsableUKI && $0.hint == "run 'pve-sb-uki apply'" })
    }
  }

  @Test func withoutAUKINothingIsWritten() throws {
    for serial in MirrorScene.serials {
      for release in [MirrorScene.newer, MirrorScene.older] {
        try scene.host().files.remove(scene.mirror.path(serial, "/EFI/Linux/pve-\(release).efi"))
      }
    }
    try unchanged {
      let kinds = try scene.run().kinds
      #expect(kinds == [.noUsableUKI, .noBootPath])
    }
  }

  @Test func aFactoryWithoutListsIsRefused() throws {
    try unchanged {
      let kinds = try scene.run { $0.vendor = .factory }.kinds
      #expect(kinds == [.noFactoryLists])
    }
  }

  @Test func privateKeysThatAreAwayAreNamed() throws {
    try scene.host().files.remove("/etc/pve-sb-uki/keys/PK.key")
    try unchanged {
      let refusal = try #require(try scene.run().plan.refusals.first)
      #expect(refusal.kind == .keysAway && refusal.message.contains("PK.key missing"))
    }
  }

  @Test func aDeclinedPlanChangesNothing() throws {
    try unchanged {
      let result = try EnrolFirmware().run(on: scene.host()) { _ in
        false
      } reporting: { _ in
      }
      #expect(!result.isDone && result.plan.isChange)
    }
  }

  // MARK: Append

  @Test func aCertificateIsAppendedWherePKIsTheVendors() throws {
    try scene.mirror.put(.setupMode, [0])
    try scene.mirror.put(.secureBoot, [1])
    try scene.putFactory(.platformKey, .signatureDatabase)
    #expect(try scene.run { $0.isAppend = true }.kinds == [.foreignKeyExchangeKey])
    try scene.put(.keyExchangeKey, Array(scene.expected(.keyExchangeKey).dropFirst(4)))
    let outcome = try scene.run { $0.isAppend = true }
    #expect(outcome.written == ["db"] && outcome.plan.steps.first?.attributes.rawValue == 0x67)
    let vendor = try EnrolScene.factoryData(.signatureDatabase)
    #expect(try scene.file(.signatureDatabase) == scene.expected(.signatureDatabase, after: vendor))
    let again = try scene.run { $0.isAppend = true }
    #expect(!again.plan.isChange && again.plan.refusals.isEmpty)
  }

  // MARK: Undo bundle, time and record

  @Test func theUndoBundleHasEveryVariableAsItWas() throws {
    let before = try variables()
    let undo = try #require(try scene.run().undo)
    #expect(undo.hasPrefix("/var/lib/pve-sb-uki/undo/2026"))
    #expect(try scene.directory.list(undo) == (["README"] + before.keys).sorted())
    for (name, content) in before { #expect(try scene.directory.read("\(undo)/\(name)") == content) }
    let files = try scene.host().files
    #expect(try files.status(of: undo)?.mode == 0o700)
    for name in try scene.directory.list(undo) { #expect(try files.status(of: "\(undo)/\(name)")?.mode == 0o600) }
    let text = String(decoding: try #require(try scene.directory.read("\(undo)/README")), as: UTF8.self)
    #expect(text.contains("Changed since then: db, KEK, PK"))
  }

  @Test func theUpdateThatRemovesPKIsWrittenOnlyOnRequest() throws {
    let undo = try #require(try scene.run { $0.includesRemoval = true }.undo)
    let update = try AuthenticatedVariable(parsing: #require(try scene.directory.read("\(undo)/noPK.auth")))
    #expect(update.payload.isEmpty)
    #expect(update.time == EFITime(unixSeconds: SigningKey.now + 1))
  }

  @Test func theUndoBundleIsNotWrittenToAnESP() throws {
    let esp = scene.directory.path(of: scene.mirror.path(MirrorScene.serials[0], "/undo"))
    try unchanged {
      let error = thrown(Failure.self) { try scene.run { $0.undo = esp } }
      #expect(error?.message.contains("is on the ESP") == true)
    }
    let other = try TemporaryDirectory()
    #expect(try scene.run { $0.undo = other.path(of: "undo") }.undo == other.path(of: "undo"))
    #expect(try other.list("undo").contains("README"))
  }

  @Test func theTimeRises() throws {
    let store = KeyStore(of: try scene.host())
    try store.recordUpdateTime(SigningKey.now + 1000)
    let outcome = try scene.run()
    #expect(outcome.plan.time == SigningKey.now + 1001)
    #expect(try store.lastUpdateTime() == SigningKey.now + 1002)
  }

  @Test func keysThatTheFirmwareLosesAreReportedAfterTheReboot() throws {
    try scene.run()
    func lost(bootedAt time: Int64) throws -> [Finding] {
      try scene.directory.write("proc/stat", "btime \(time)\n")
      return MachineFindings.collect(on: try scene.host()).filter { $0.kind == .enrolmentLost }
    }
    try scene.host().files.remove("\(EFIVariableStore.directory)/\(EFIVariableName.keyExchangeKey.fileName)")
    #expect(try lost(bootedAt: SigningKey.now - 100).isEmpty)
    let finding = try #require(try lost(bootedAt: SigningKey.now + 100).first)
    #expect(finding.message.contains("missing in KEK") && finding.command == "pve-sb-uki enroll --firmware")
    try scene.run()
    #expect(try lost(bootedAt: SigningKey.now + 100).isEmpty)
  }
}
