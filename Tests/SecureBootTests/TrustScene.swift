// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
import SecureBoot
import TestSupport

/// Images signed by other tools, and the lists of a machine to judge them with.
struct TrustScene {
  typealias Lists = [(type: SignatureType, data: [UInt8])]

  let chain: CertificateChain
  /// An image of the unsigned stub of systemd 257.
  let unsigned: String
  private let root: TemporaryDirectory
  /// Creating keys takes most of the time of these tests, and none changes them.
  private static let sharedChain = Result { try CertificateChain() }

  init() throws {
    chain = try Self.sharedChain.get()
    root = try TemporaryDirectory()
    unsigned = root.path(of: "unsigned.efi")
    try root.write("unsigned.efi", Fixture.stub257.bytes())
  }

  func path(_ name: String) -> String { root.path(of: name) }
  func write(_ name: String, _ bytes: [UInt8]) throws { try root.write(name, bytes) }
  func read(_ name: String) throws -> [UInt8] { try root.read(name) ?? [] }

  /// A copy of `image` with a further signature, whose chain it contains.
  ///
  /// The algorithm is one of osslsigncode's, which cannot add a signature after another; sbsign can, and is used then.
  func sign(
    _ image: String, by key: String, algorithm: String = "sha256", as name: String
  ) throws -> String {
    let output = path(name)
    let signed = try FileSystem().readFile(image, limit: 1 << 24) != Fixture.stub257.bytes()
    if signed {
      try ExternalTool("sbsign").run([
        "--key", chain.path("\(key).key"), "--cert", chain.path("\(key).crt"), "--addcert", chain.path("middle.crt"),
        "--output", output, image,
      ])
    } else {
      let issuers = key == "leaf" ? ["middle", "root"] : []
      try write("\(name).bundle", ([key] + issuers).flatMap { try chain.bytes("\($0).crt") })
      try ExternalTool("osslsigncode").run([
        "sign", "-certs", path("\(name).bundle"), "-key", chain.path("\(key).key"), "-h", algorithm, "-in", image,
        "-out", output,
      ])
    }
    return output
  }

  /// The SHA-256 digest as pesign computes it.
  func digest(_ image: String) throws -> [UInt8] {
    let text = try ExternalTool("pesign").result(["-h", "-d", "sha256", "-i", image]).text
    return Self.bytes(text.split(whereSeparator: { $0 == " " || $0 == "\n" }).last.map(String.init) ?? "")
  }

  /// The digest of a signed image as osslsigncode computes it, in the algorithm of its signature.
  func digestAsSigned(_ image: String) throws -> [UInt8] {
    let text = try ExternalTool("osslsigncode").result(["verify", "-in", image]).text
    let line = text.split(separator: "\n").first { $0.contains("Calculated message digest") }
    return Self.bytes(line?.split(separator: " ").last.map(String.init) ?? "")
  }

  private static func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = Array(hexadecimal.utf8)
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
      UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
    }
  }

  /// Signs the image with a key that is not part of the chain.
  func sign(_ image: String, by key: SigningKey, as name: String) throws -> String {
    let keyFile = try key.keyFile()
    let certificateFile = try key.certificateFile()
    try ExternalTool("sbsign").run([
      "--key", keyFile.path, "--cert", certificateFile.path, "--output", path(name), image,
    ])
    return path(name)
  }

  func certificate(_ name: String) throws -> Certificate { try Certificate(parsing: chain.bytes("\(name).crt")) }

  /// A list entry of a certificate of the chain.
  func entry(_ name: String) throws -> (SignatureType, [UInt8]) { (.x509, try certificate(name).der) }

  /// The variables of a machine with Secure Boot on, as its efivarfs would have them.
  ///
  /// dbx exists, with a digest that no image has.
  func database(
    db: Lists = [], dbx: Lists = [], dbt: Lists = [], mok: Lists = [], mokX: Lists = [],
    others: [EFIVariableName: [UInt8]] = [:]
  ) throws -> TrustDatabase {
    let machine = try TemporaryDirectory()
    try machine.write("\(TrustDatabaseTests.efivars)/\(EFIVariableName.secureBoot.fileName)", [6, 0, 0, 0, 1])
    let unrelated: Lists = [(.sha256, [UInt8](repeating: 0xee, count: 32))]
    for (variable, lists) in [
      (EFIVariableName.signatureDatabase, db), (.forbiddenDatabase, unrelated + dbx), (.timestampDatabase, dbt),
      (.machineOwnerKeys, mok), (.forbiddenMachineOwnerKeys, mokX),
    ] where !lists.isEmpty {
      try TrustDatabaseTests.put(variable, lists.map { TrustDatabaseTests.list($0.type, $0.data) }, in: machine)
    }
    for (variable, data) in others {
      try machine.write("\(TrustDatabaseTests.efivars)/\(variable.fileName)", [6, 0, 0, 0] + data)
    }
    return try TrustDatabase(readingFrom: machine.host())
  }

  func verdict(
    _ image: String, _ database: TrustDatabase, via route: TrustEvaluation.Route = .firmware, shim: ShimProgram? = nil
  ) throws -> TrustEvaluation.Verdict {
    try result(image, database, via: route, shim: shim).verdict
  }

  func result(
    _ image: String, _ database: TrustDatabase, via route: TrustEvaluation.Route = .firmware, shim: ShimProgram? = nil
  ) throws -> TrustEvaluation.Result {
    try TrustEvaluation(database, shim: shim).judge(FileSystem().openFile(image), via: route)
  }
}
