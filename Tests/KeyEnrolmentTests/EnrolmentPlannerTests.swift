// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
import KeyEnrolment
internal import Messages
import SigningKeys
import TestSupport
import Testing

/// Plans without a machine.
@Suite struct EnrolmentPlannerTests {
  private static let certificates = Result {
    try KeyRole.allCases.reduce(into: [KeyRole: Certificate]()) { $0[$1] = try SigningKey($1.name).certificate }
  }
  private static let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)

  private let directory: TemporaryDirectory
  init() throws {
    directory = try TemporaryDirectory()
    try put(.setupMode, [1])
  }

  private func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [0x27, 0, 0, 0] + data)
  }

  /// A list with certificates that openssl makes.
  private func list(_ names: String...) throws -> [UInt8] {
    let certificates = try names.map { name in
      try ExternalTool("openssl").run([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=\(name)", "-outform",
        "DER",
      ])
    }
    return SignatureDatabase(certificates: certificates, owner: Self.owner).serialize()
  }

  private func plan(
    _ change: (inout EnrolmentGoal, inout EnrolmentObservation) -> Void = { _, _ in }
  ) throws -> EnrolmentPlan {
    var goal = EnrolmentGoal(own: try Self.certificates.get(), owner: Self.owner)
    let lists = try FirmwareLists(readingFrom: EFIVariableStore(of: directory.host().files))
    var observed = EnrolmentObservation(lists: lists, keyDirectory: "/keys", now: 1000)
    observed.optionROMs = .absent
    change(&goal, &observed)
    return EnrolmentPlanner.plan(goal, observed) { _, _ in PathJudgement() }
  }

  private func kinds(_ plan: EnrolmentPlan) -> [Refusal.Kind] { plan.refusals.map(\.kind) }

  @Test func theOrderIsThatOfSafety() throws {
    try put(.forbiddenDatabaseDefault, list("Revoked"))
    let plan = try plan()
    #expect(plan.steps.map(\.variable.name) == ["db", "KEK", "dbx", "PK"])
    #expect(plan.steps.map(\.authority) == [.keyExchangeKey, .platformKey, .keyExchangeKey, .platformKey])
    #expect(plan.steps.allSatisfy { $0.attributes.rawValue == 0x27 && $0.old == nil })
    #expect(plan.refusals.isEmpty && plan.time == 1000)
  }

  @Test func theTimeIsLaterThanThatOfAnyUpdate() throws {
    #expect(try plan { $1.lastUpdate = 5000 }.time == 5001)
    #expect(try plan { $1.lastUpdate = 10 }.time == 1000)
  }

  @Test func onlyWhatIsMissingIsWritten() throws {
    let first = try plan()
    try put(.signatureDatabase, first.steps[0].payload)
    let second = try plan()
    #expect(second.steps.map(\.variable.name) == ["KEK", "PK"])
    try put(.keyExchangeKey, first.steps[1].payload)
    #expect(try plan().steps.map(\.variable.name) == ["PK"])
  }

  /// The same goal wants the same after it was reached, whatever was there before.
  @Test(arguments: EnrolmentGoal.Vendor.allCases) func aReachedGoalStays(_ vendor: EnrolmentGoal.Vendor) throws {
    try put(.signatureDatabaseDefault, list("Microsoft UEFI CA 2023", "Windows UEFI CA 2023"))
    try put(.keyExchangeKeyDefault, list("Microsoft Corporation KEK 2K CA 2023"))
    try put(.signatureDatabase, list("Vendor"))
    let first = try plan { goal, _ in goal.vendor = vendor }
    #expect(first.steps[0].entries.count == (vendor == .none ? 1 : vendor == .keep ? 2 : 3))
    for step in first.steps.dropLast() { try put(step.variable, step.payload) }
    #expect(try plan { goal, _ in goal.vendor = vendor }.steps.map(\.variable.name) == ["PK"])
  }

  // MARK: Room

  @Test func aFullStoreIsRefusedBeforeTheFirstWrite() throws {
    let needed = try plan { $1.room = .init(total: 100_000, available: 100_000) }.neededRoom
    #expect(try plan { $1.room = .init(total: 100_000, available: needed) }.refusals.isEmpty)
    let full = try plan { $1.room = .init(total: 100_000, available: needed - 1) }
    #expect(kinds(full) == [.variableRoom] && full.refusals[0].risk == .variableRoom)
    #expect(full.refusals[0].hint?.contains("boot forget") == true)
    let accepted = try plan { goal, observed in
      observed.room = .init(total: 100_000, available: 1)
      goal.risks = [.variableRoom]
    }
    #expect(accepted.refusals.isEmpty && accepted.notes.contains { $0.contains("accepted by --risk-full-nvram") })
    let dumps = try plan {
      $1.room = .init(total: 100_000, available: 1)
      $1.requests = [(name: "dump-type0-1-1-1700000000-C", size: 0)]
    }
    #expect(dumps.refusals[0].hint?.contains("rm /sys/firmware/efi/efivars/dump-type0-*") == true)
    #expect(try plan().notes.contains { $0.contains("Linux 6.5") })
  }

  // MARK: Disks

  private func disk(_ header: String) throws -> UnlockedDisk {
    UnlockedDisk(device: "/dev/sda3", try LUKSMetadata(parsing: Array(header.utf8)))
  }

  @Test func disksThatTheTPMUnlocksAreNamed() throws {
    let bound = try disk(LUKSHeaders.systemd)
    let plan = try plan { $1.disks = [bound] }
    #expect(kinds(plan) == [.lostUnlocking])
    #expect(plan.refusals[0].message.contains("/dev/sda3: the TPM stops unlocking it (systemd-tpm2 with PCR 7)"))
    #expect(plan.refusals[0].hint?.contains("--lose-tpm-unlock") == true)
    let accepted = try self.plan { goal, observed in
      observed.disks = [bound]
      goal.risks = [.unlocking]
    }
    #expect(accepted.refusals.isEmpty)
    let signed = try disk(LUKSHeaders.signed)
    #expect(try self.plan { $1.disks = [signed] }.refusals.isEmpty)
  }

  @Test func aDiskWithoutAPassphraseIsNeverLocked() throws {
    let only = try disk(LUKSHeaders.systemd.replacing(#""keyslots":["0","1"]"#, with: #""keyslots":["1"]"#))
    let plan = try plan { goal, observed in
      observed.disks = [only]
      goal.risks = Set(EnrolmentGoal.Risk.allCases)
    }
    #expect(kinds(plan) == [.noOtherKeyslot])
    #expect(plan.refusals[0].hint == "run 'systemd-cryptenroll --recovery-key /dev/sda3'")
  }

  @Test func aDiskThatCannotBeExaminedIsRefused() throws {
    let disk = UnlockedDisk(device: "/dev/sda3", unknown: "it has the format LUKS1")
    #expect(kinds(try plan { $1.disks = [disk] }) == [.unknownDisk])
  }

  @Test func withoutAWriteNoDiskMatters() throws {
    try put(.setupMode, [0])
    for (role, certificate) in try Self.certificates.get() {
      try put(role.variable, SignatureDatabase(certificates: [certificate.der], owner: Self.owner).serialize())
    }
    let bound = try disk(LUKSHeaders.systemd)
    #expect(try plan { $1.disks = [bound] }.refusals.isEmpty)
  }

  // MARK: Option ROMs

  @Test func driversOfCardsNeedAVendor() throws {
    let loaded = OptionROMs.loaded(["PciRoot(0x0)/Pci(0x1,0x0)"])
    #expect(kinds(try plan { $1.optionROMs = loaded }) == [.lostOptionROM])
    // Nothing is offered, and nothing is known.
    let unknown = try plan { $1.optionROMs = .unknown }
    #expect(unknown.refusals.isEmpty && unknown.notes.contains { $0.contains("plug-in cards, if there are any") })
    #expect(
      kinds(
        try plan { goal, observed in
          observed.optionROMs = .unknown
          goal.vendor = .none
        }) == [.lostOptionROM])
    #expect(
      try plan { goal, observed in
        observed.optionROMs = .absent
        goal.vendor = .none
      }.refusals.isEmpty)
    try put(.signatureDatabase, list("Microsoft Corporation UEFI CA 2011"))
    #expect(try plan { $1.optionROMs = loaded }.refusals.isEmpty)
    // db has no such certificate, but the factory offers one.
    try put(.signatureDatabase, list("Vendor"))
    try put(.signatureDatabaseDefault, list("Microsoft Option ROM UEFI CA 2023"))
    let offered = try plan { $1.optionROMs = .unknown }
    #expect(kinds(offered) == [.lostOptionROM] && offered.refusals[0].hint?.contains("--vendor default") == true)
  }

  @Test func readOnlyVariablesAreRefused() throws {
    #expect(kinds(try plan { $1.isReadOnly = true }) == [.readOnly])
  }

  @Test func theSecretsOfKeysAreOnlyNeededForWhatIsWritten() throws {
    #expect(kinds(try plan { $1.keysAway = [.platformKey, .keyExchangeKey] }) == [.keysAway])
    try put(.setupMode, [0])
    let certificates = try Self.certificates.get()
    for role in [KeyRole.platformKey, .keyExchangeKey] {
      let certificate = try #require(certificates[role])
      try put(role.variable, SignatureDatabase(certificates: [certificate.der], owner: Self.owner).serialize())
    }
    let append = try plan { goal, observed in
      goal.isAppend = true
      observed.keysAway = [.platformKey]
    }
    #expect(append.refusals.isEmpty && append.steps.map(\.variable.name) == ["db"])
  }

  @Test func firmwareWithoutSecureBootIsRefused() throws {
    try directory.host().files.remove("\(EFIVariableStore.directory)/\(EFIVariableName.setupMode.fileName)")
    #expect(kinds(try plan()) == [.notInSetupMode])
  }

  /// A damaged list is kept as far as firmware reads it.
  @Test func damagedListsNeverStopAPlan() throws {
    let good = try list("Microsoft UEFI CA 2023", "Vendor")
    for damaged in Mutations(of: good, count: 200) {
      try put(.signatureDatabase, damaged)
      let db = try #require(try plan().steps.first)
      #expect(db.variable == .signatureDatabase)
      #expect(throws: Never.self) { try SignatureDatabase(parsing: db.payload) }
    }
  }
}
