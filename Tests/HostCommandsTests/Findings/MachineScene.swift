// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Findings
import HostCommands
import HostSystem
internal import Messages
import SigningKeys
import TestSupport

/// A host in a temporary root whose firmware, packages and disks the tests choose.
struct MachineScene {
  let root: TemporaryDirectory
  var context = MachineFindings.Context()
  static let guid = GUID(0x1111_2222, 0x3333, 0x4444, 0x5555_6666_7777_8888)

  init() throws { root = try TemporaryDirectory() }

  func host(at time: Int64 = SigningKey.now) throws -> Host {
    var host = try root.host()
    host.now = { time }
    return host
  }

  func findings(_ kind: FindingKind, at time: Int64 = SigningKey.now) throws -> [Finding] {
    MachineFindings.collect(on: try host(at: time), context).filter { $0.kind == kind }
  }

  func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try root.write("\(EFIVariableStore.directory)/\(variable.fileName)", [7, 0, 0, 0] + data)
  }

  func put(_ variable: EFIVariableName, certificates: [[UInt8]]) throws {
    try put(variable, SignatureDatabase(certificates: certificates, owner: Self.guid).serialize())
  }

  func put(_ variable: EFIVariableName, text: String) throws { try put(variable, EFIText.serialize(text)) }

  func setSecureBoot(_ isOn: Bool) throws {
    try put(.secureBoot, [isOn ? 1 : 0])
    try put(.setupMode, [0])
  }

  /// Variables of Debian's ovmf.
  func useFirmware(_ name: String) throws {
    let store = try VariableStore(parsing: FileSystem().readFile("/usr/share/OVMF/\(name)", limit: 1 << 20))
    for variable in [EFIVariableName.platformKey, .keyExchangeKey, .signatureDatabase, .forbiddenDatabase] {
      if let content = store.variables[variable] { try put(variable, content.data) }
    }
  }

  /// A certificate made by openssl with the subject, as DER.
  func certificate(_ subject: String) throws -> [UInt8] {
    let key = root.path(of: "scene.key")
    return try ExternalTool("openssl").run([
      "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", subject, "-outform", "DER",
    ])
  }

  /// The owner's keys, also enrolled as PK.
  func enrolOwnKeys() throws {
    try KeysFixture.install(in: root)
    let store = KeyStore(of: try root.host())
    try put(.platformKey, certificates: [store.certificate(of: .platformKey).der])
    try put(.keyExchangeKey, certificates: [store.certificate(of: .keyExchangeKey).der])
    try put(.signatureDatabase, certificates: [store.certificate(of: .signatureDatabase).der])
    try setSecureBoot(true)
  }

  /// An ESP in the directory /boot/efi.
  mutating func addESP(directory: String = "/boot/efi") throws {
    try FileSystem().makeDirectory(root.path(of: directory))
    context.esps.append(
      ESP(
        source: .directory(directory),
        location: PartitionLocation(number: 2, startBlock: 2048, blockCount: 1 << 20, guid: Self.guid)))
  }

  func installPackages(_ names: String...) throws {
    let paragraphs = names.map { "Package: \($0)\nStatus: install ok installed\nVersion: 1.0-1\n" }
    try root.write("var/lib/dpkg/status", paragraphs.joined(separator: "\n"))
  }
}
