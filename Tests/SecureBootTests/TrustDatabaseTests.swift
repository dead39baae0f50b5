// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
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

  @Test func everyVariableEndsUpInItsPlace() throws {
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
    #expect(database.firmwareCertificates == [db])
    #expect(database.machineOwnerCertificates == [mok])
    #expect(database.certificates == [db, mok])
    #expect(database.forbiddenCertificates == [bad, badMok])
    #expect(database.allowedImageDigests == [digest(1), digest(2)])
    #expect(database.forbiddenImageDigests == [digest(3), digest(5)])
    #expect(database.forbiddenCertificateDigests == [digest(4)])
    #expect(database.secureBootEnabled == true)
    #expect(database.setupMode == false)
    #expect(database.ignoredEntries.isEmpty)
  }

  @Test func whatIsNotEvaluatedIsNamed() throws {
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
    #expect(database.ignoredEntries.allSatisfy { $0.hasPrefix("db holds ") })
  }

  @Test(arguments: [[], [6, 0], [6, 0, 0, 0, 1, 2, 3]] as [[UInt8]])
  func brokenVariablesAreErrorsThatNameTheFile(content: [UInt8]) throws {
    let root = try TemporaryDirectory()
    let file = "\(Self.efivars)/\(EFIVariableName.forbiddenDatabase.fileName)"
    try root.write(file, content)
    let error = #expect(throws: HostError.self) { try TrustDatabase(readingFrom: root.host()) }
    #expect(error?.description.contains(root.path + file) == true)
    #expect(error?.hint != nil)
  }

  /// A variable store as the firmware itself has it, with Microsoft's certificates, taken apart by virt-firmware.
  @Test func aRealFirmwaresDatabasesAreRead() throws {
    let root = try TemporaryDirectory()
    let program = """
      import sys
      from virt.firmware.varstore import edk2
      store = edk2.Edk2VarStore("/usr/share/OVMF/OVMF_VARS_4M.ms.fd").get_varlist()
      for name in ("db", "dbx"):
          variable = store[name]
          path = f"{sys.argv[1]}/{name}-{variable.guid}"
          open(path, "wb").write(variable.attr.to_bytes(4, "little") + variable.data)
      print(sum(1 for item in store["db"].sigdb if item.x509))
      print(sum(len(item) for item in store["dbx"].sigdb if item.x509 is None))
      """
    try root.write("\(Self.efivars)/x", [])
    let output = try ExternalTool("python3").run(["-c", program, root.path + Self.efivars])
    let counts = String(decoding: output, as: UTF8.self).split(separator: "\n").compactMap { Int($0) }
    let database = try TrustDatabase(readingFrom: root.host())
    #expect(counts == [database.firmwareCertificates.count, database.forbiddenImageDigests.count])
    #expect(counts.allSatisfy { $0 > 0 })
    #expect(database.firmwareCertificates.contains { $0.subject.contains("Microsoft Corporation UEFI CA 2011") })
    #expect(database.ignoredEntries.isEmpty)
  }
}
