// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
import Messages
import SecureBoot
import TestSupport
import Testing

@Suite struct TrustDatabaseTests {
  static let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
  static let efivars = "/sys/firmware/efi/efivars"

  static func certificate(_ name: String) throws -> Certificate {
    try SelfSignedCertificate(commonName: name, serialNumber: [5], notBefore: 0, notAfter: 4_000_000_000)
      .issue(by: .generateRSA(bits: 2048))
  }

  static func list(_ type: SignatureType, _ data: [UInt8]) -> SignatureList {
    SignatureList(type: type, signature: .init(owner: owner, data: data))
  }

  static func put(_ variable: EFIVariableName, _ lists: [SignatureList], in root: TemporaryDirectory) throws {
    let content = EFIVariableContent(attributes: .keyDatabase, data: SignatureDatabase(lists: lists).serialize())
    try root.write("\(efivars)/\(variable.fileName)", content.serialize())
  }

  @Test func withoutFirmwareVariablesNothingIsKnown() throws {
    let database = try TrustDatabase(readingFrom: TemporaryDirectory().host())
    #expect(database.secureBootEnabled == nil)
    #expect(database.setupMode == nil)
    #expect(database.certificates.isEmpty)
    #expect(database.ignoredEntries.isEmpty)
  }

  @Test func everyVariableIsRead() throws {
    let root = try TemporaryDirectory()
    let db = try Self.certificate("db")
    let mok = try Self.certificate("mok")
    let bad = try Self.certificate("dbx")
    let badMok = try Self.certificate("mokx")
    func digest(_ byte: UInt8, _ count: Int = 32) -> [UInt8] { [UInt8](repeating: byte, count: count) }
    try Self.put(.signatureDatabase, [Self.list(.x509, db.der), Self.list(.sha256, digest(1))], in: root)
    try Self.put(.machineOwnerKeys, [Self.list(.x509, mok.der), Self.list(.sha256, digest(2))], in: root)
    try Self.put(
      .forbiddenDatabase,
      [Self.list(.x509, bad.der), Self.list(.sha256, digest(3)), Self.list(.x509SHA256, digest(4) + digest(0, 16))],
      in: root)
    try Self.put(.forbiddenMachineOwnerKeys, [Self.list(.x509, badMok.der), Self.list(.sha256, digest(5))], in: root)
    try root.write("\(Self.efivars)/\(EFIVariableName.secureBoot.fileName)", [6, 0, 0, 0, 1])
    try root.write("\(Self.efivars)/\(EFIVariableName.setupMode.fileName)", [6, 0, 0, 0, 0])

    let database = try TrustDatabase(readingFrom: root.host())
    #expect(database.db.certificates == [db])
    #expect(database.mokList.certificates == [mok])
    #expect(database.certificates == [db, mok])
    #expect(database.dbx.certificates == [bad])
    #expect(database.mokListX.certificates == [badMok])
    #expect(database.db.imageDigests(.sha256) == [digest(1)])
    #expect(database.mokList.imageDigests(.sha256) == [digest(2)])
    #expect(database.dbx.imageDigests(.sha256) == [digest(3)])
    #expect(database.mokListX.imageDigests(.sha256) == [digest(5)])
    let evaluation = TrustEvaluation(database)
    #expect(evaluation.forbiddenDigests(via: .firmware) == [digest(3)])
    #expect(evaluation.forbiddenDigests(via: .shim) == [digest(3), digest(5)])
    #expect(database.secureBootEnabled == true)
    #expect(database.setupMode == false)
    #expect(database.ignoredEntries.isEmpty)
  }

  @Test func ignoredEntriesAreReported() throws {
    let root = try TemporaryDirectory()
    let good = try Self.certificate("good")
    let lists = [
      Self.list(.x509, [0x30, 0x82, 1, 2]), Self.list(.x509, good.der),
      Self.list(SignatureType(guid: Self.owner), [1]),
    ]
    try Self.put(.signatureDatabase, lists, in: root)
    let database = try TrustDatabase(readingFrom: root.host())
    #expect(database.certificates == [good])
    #expect(database.ignoredEntries.count == 2)
    #expect(database.ignoredEntries.allSatisfy { $0.hasPrefix("db contains ") })
  }

  /// Only the damaged part of a list is lost.
  @Test func damagedListsAreReadAsFarAsPossible() throws {
    let root = try TemporaryDirectory()
    let good = try Self.certificate("good")
    let list = SignatureDatabase(lists: [Self.list(.x509, good.der)]).serialize()
    // A list of 30 bytes whose signatures would have 5 bytes, then a good one, then the start of another.
    let odd = SignatureType.sha256.guid.bytes + [30, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 2]
    for (tail, count) in [([], 1), (Array(list.prefix(40)), 2), ([0, 0, 0], 2)] as [([UInt8], Int)] {
      let file = "\(Self.efivars)/\(EFIVariableName.forbiddenDatabase.fileName)"
      try root.write(file, [0x27, 0, 0, 0] + odd + list + tail)
      let database = try TrustDatabase(readingFrom: root.host())
      #expect(database.dbx.certificates == [good], "\(tail.count)")
      #expect(database.ignoredEntries.count == count)
      #expect(database.ignoredEntries.allSatisfy { $0.hasPrefix("dbx is damaged: EFI_SIGNATURE_LIST, byte ") })
    }
  }

  /// shim 16.1 looks up MokListRT, but the whole MokListX; the kernel uses both as a whole.
  @Test(arguments: [false, true]) func continuationsOfListsAreReadAsShimUsesThem(hasTable: Bool) throws {
    let root = try TemporaryDirectory()
    let (first, second) = (try Self.certificate("first"), try Self.certificate("second"))
    for variable in [EFIVariableName.machineOwnerKeys, .forbiddenMachineOwnerKeys] {
      let next = EFIVariableName(name: "\(variable.name)1", vendor: variable.vendor)
      try Self.put(variable, [Self.list(.x509, first.der)], in: root)
      if hasTable {
        let whole = SignatureDatabase(lists: [first, second].map { Self.list(.x509, $0.der) })
        try root.write("/sys/firmware/efi/mok-variables/\(variable.name)", whole.serialize())
      } else {
        try Self.put(next, [Self.list(.x509, second.der)], in: root)
      }
    }
    let database = try TrustDatabase(readingFrom: root.host())
    #expect(database.mokList.certificates == [first])
    #expect(database.mokListX.certificates == [first, second])
    #expect(
      database.ignoredEntries.map(\.description) == [
        "CN = second is in the MOK list, but not in the part that shim uses for images (MokListRT)"
      ])
  }

  @Test(arguments: [[], [6, 0]] as [[UInt8]])
  func errorsInVariablesNameTheFile(content: [UInt8]) throws {
    let root = try TemporaryDirectory()
    let file = "\(Self.efivars)/\(EFIVariableName.forbiddenDatabase.fileName)"
    try root.write(file, content)
    let error = thrown(HostError.self) { try TrustDatabase(readingFrom: root.host()) }
    #expect(error?.description.contains(root.path + file) == true)
    #expect(error?.hint != nil)
  }

  /// The variable store with Microsoft's certificates from Debian's ovmf, also parsed by efitools.
  @Test func realFirmwareDatabasesAreRead() throws {
    let root = try TemporaryDirectory()
    let store = try FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", limit: 1 << 20)
    for name in [EFIVariableName.signatureDatabase, .forbiddenDatabase] {
      let variable = try #require(try VariableStore(parsing: store).variables[name])
      try root.write("\(Self.efivars)/\(name.fileName)", variable.serialize())
      try root.write("\(name.name).esl", variable.data)
    }
    let database = try TrustDatabase(readingFrom: root.host())
    try ExternalTool("sig-list-to-certs").run([root.path(of: "db.esl"), root.path(of: "db")])
    let theirs = try (0..<database.db.certificates.count).map { try root.read("db-\($0).der") }
    #expect(database.db.certificates.map(\.der) == theirs)
    #expect(try root.read("db-\(theirs.count).der") == nil)
    #expect(database.db.certificates.contains { $0.subject.contains("Microsoft Corporation UEFI CA 2011") })
    #expect(!database.dbx.imageDigests(.sha256).isEmpty)
    #expect(database.ignoredEntries.isEmpty)
  }
}
