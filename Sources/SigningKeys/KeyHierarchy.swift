// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import EFIData
package import HostSystem
internal import Messages

/// An owner's three keys.
package struct KeyHierarchy: Sendable {
  package let platformKey: SigningIdentity
  package let keyExchangeKey: SigningIdentity
  package let signatureDatabaseKey: SigningIdentity
  /// Owner of the entries in the firmware's databases.
  package let owner: GUID

  package init(
    platformKey: SigningIdentity, keyExchangeKey: SigningIdentity, signatureDatabaseKey: SigningIdentity, owner: GUID
  ) {
    self.platformKey = platformKey
    self.keyExchangeKey = keyExchangeKey
    self.signatureDatabaseKey = signatureDatabaseKey
    self.owner = owner
  }

  package subscript(role: KeyRole) -> SigningIdentity {
    switch role {
    case .platformKey: platformKey
    case .keyExchangeKey: keyExchangeKey
    case .signatureDatabase: signatureDatabaseKey
    }
  }

  /// The signature list that puts the certificate of `role` into the firmware: the content of an .esl file.
  package func signatureList(for role: KeyRole) -> [UInt8] {
    SignatureDatabase(certificates: [self[role].certificate.der], owner: owner).serialize()
  }

  /// The update that makes `signatureList(for:)` the variable's content: the content of an .auth file.
  ///
  /// The firmware takes it only if `time`, in seconds since 1970, is later than the one of the variable's last update.
  package func enrolmentUpdate(for role: KeyRole, at time: Int64) throws -> [UInt8] {
    try update(role, payload: signatureList(for: role), at: time)
  }

  /// The update that removes PK and so leads back to Setup Mode; `time` must be later than that of PK's enrolment.
  package func platformKeyRemoval(at time: Int64) throws -> [UInt8] { try update(.platformKey, payload: [], at: time) }

  private func update(_ role: KeyRole, payload: [UInt8], at seconds: Int64) throws -> [UInt8] {
    guard let time = EFITime(unixSeconds: seconds) else {
      throw CryptoError(.malformed, "cannot sign an update of \(role.name)", ["\(seconds) s after 1970 is no EFI time"])
    }
    let signed = AuthenticatedVariable.signedBytes(
      variable: role.variable, attributes: .keyDatabase, time: time, payload: payload)
    let message = try SignedData.sign(detached: signed, by: self[role.authority])
    return AuthenticatedVariable(time: time, signature: try Self.withoutContentInfo(message), payload: payload)
      .serialize()
  }

  /// The SignedData inside a ContentInfo: EDK2 before 2023 looks for the digest algorithm at a fixed place in it.
  private static func withoutContentInfo(_ message: [UInt8]) throws(ParseError) -> [UInt8] {
    var reader = ByteReader(message, format: "PKCS#7")
    var contentInfo = try reader.readDER(DER.sequence)
    _ = try contentInfo.readDER(DER.objectIdentifier)
    var content = try contentInfo.readDER(DER.contextConstructed0)
    return Array(content.readToEnd())
  }
}

extension KeyHierarchy {
  /// What new keys are to be like.
  package struct Template: Sendable {
    /// Begin of each subject's common name; the role follows.
    package var name: String
    /// RSA modulus in bits.
    package var bits: Int
    package var owner: GUID

    package init(name: String, bits: Int, owner: GUID) {
      self.name = name
      self.bits = bits
      self.owner = owner
    }
  }

  /// Ten years, in seconds.
  private static let validity: Int64 = 3652 * 86_400
  /// Validity begins a day early, in seconds: a clock that is set back later, as after a time zone was taken for UTC,
  /// would find the keys not valid yet and refuse to sign.
  private static let clockTolerance: Int64 = 86_400

  /// New keys, each with a self-signed certificate of its own name, random serial number and ten years of validity.
  package init(creating template: Template, on host: Host) throws {
    func identity(_ role: KeyRole) throws -> SigningIdentity {
      let key = try PrivateKey.generateRSA(bits: template.bits)
      var serial = try host.randomBytes(16)
      // Positive, and 16 bytes whatever the generator says.
      serial[0] = serial[0] & 0x3f | 0x40
      let certificate = try SelfSignedCertificate(
        commonName: "\(template.name) \(role.name)", serialNumber: serial,
        notBefore: host.now() - Self.clockTolerance, notAfter: host.now() + Self.validity,
        keyUsage: "critical,digitalSignature", extendedKeyUsage: role.extendedKeyUsage
      ).issue(by: key)
      return try SigningIdentity(key: key, certificate: certificate, at: host.now())
    }
    self.init(
      platformKey: try identity(.platformKey), keyExchangeKey: try identity(.keyExchangeKey),
      signatureDatabaseKey: try identity(.signatureDatabase), owner: template.owner)
  }
}

/// What a key of an owner's hierarchy is for (UEFI 2.10 section 32.3).
package enum KeyRole: String, CaseIterable, Sendable {
  /// Platform key: signs updates of PK and KEK.
  case platformKey = "PK"
  /// Key exchange key: signs updates of db and dbx.
  case keyExchangeKey = "KEK"
  /// Signs what the firmware starts.
  case signatureDatabase = "db"

  package var name: String { rawValue }

  /// The variable that holds the certificate.
  package var variable: EFIVariableName {
    switch self {
    case .platformKey: .platformKey
    case .keyExchangeKey: .keyExchangeKey
    case .signatureDatabase: .signatureDatabase
    }
  }

  /// The key that signs updates of the variable.
  package var authority: KeyRole { self == .signatureDatabase ? .keyExchangeKey : .platformKey }

  /// What the certificate allows, in OpenSSL's notation.
  ///
  /// The firmware asks for nothing here; code signing on db's keeps strict verifiers content, and the module-signing
  /// purpose, which makes shim refuse images, is left out.
  package var extendedKeyUsage: String? { self == .signatureDatabase ? "codeSigning" : nil }
}

extension DER {
  /// `[0]`, explicit.
  fileprivate static let contextConstructed0: UInt8 = 0xa0
}
