// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import EFIData
package import HostSystem
internal import Messages

/// An owner's three Secure Boot keys: PK, KEK and db.
package struct KeyHierarchy: Sendable {
  package let platformKey: SigningIdentity
  package let keyExchangeKey: SigningIdentity
  package let signatureDatabaseKey: SigningIdentity
  /// The owner GUID of the entries in the firmware's databases.
  package let owner: GUID
  /// The certificate to enrol in db if it is not that of `signatureDatabaseKey`.
  private var otherCertificate: Certificate?

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

  /// The same owner, whose db gets `certificate` instead.
  package func enrolling(_ certificate: Certificate) -> KeyHierarchy {
    var hierarchy = self
    hierarchy.otherCertificate = certificate
    return hierarchy
  }

  /// The certificate that the variable of `role` gets.
  package func certificate(of role: KeyRole) -> Certificate {
    if role == .signatureDatabase, let otherCertificate { return otherCertificate }
    return self[role].certificate
  }

  /// The signature list with the certificate of `role`: the content of an .esl file.
  package func signatureList(for role: KeyRole) -> [UInt8] {
    SignatureDatabase(certificates: [certificate(of: role).der], owner: owner).serialize()
  }

  /// The signed update that sets the variable to `signatureList(for:)`: the content of an .auth file.
  ///
  /// The firmware accepts it only if `time`, in seconds since 1970, is later than that of the variable's last update.
  package func enrolmentUpdate(for role: KeyRole, at time: Int64) throws -> [UInt8] {
    try update(role, payload: signatureList(for: role), at: time)
  }

  /// The update that removes PK and so returns to Setup Mode; `time` must be later than that of PK's enrolment.
  package func platformKeyRemoval(at time: Int64) throws -> [UInt8] { try update(.platformKey, payload: [], at: time) }

  private func update(_ role: KeyRole, payload: [UInt8], at seconds: Int64) throws -> [UInt8] {
    try update(of: role.variable, payload: payload, at: seconds, by: role.authority).serialize()
  }

  /// The signed update that sets a variable to `payload`, or with `appendWrite` adds it.
  ///
  /// `authority` is the key that the firmware expects: PK for PK and KEK, KEK for db and dbx. Throws `CryptoError`.
  package func update(
    of variable: EFIVariableName, attributes: EFIVariableAttributes = .keyDatabase, payload: [UInt8],
    at seconds: Int64, by authority: KeyRole
  ) throws -> AuthenticatedVariable {
    guard let time = EFITime(unixSeconds: seconds) else {
      throw CryptoError(.malformed, "cannot sign an update of \(variable.name)", ["time out of range: \(seconds)"])
    }
    let signed = AuthenticatedVariable.signedBytes(
      variable: variable, attributes: attributes, time: time, payload: payload)
    let message = try SignedData.sign(detached: signed, by: self[authority])
    return AuthenticatedVariable(time: time, signature: try Self.withoutContentInfo(message), payload: payload)
  }

  /// The SignedData inside a ContentInfo; EDK2 before 2023 expects its digest algorithm at a fixed offset.
  private static func withoutContentInfo(_ message: [UInt8]) throws(ParseError) -> [UInt8] {
    var reader = ByteReader(message, format: "PKCS#7")
    var contentInfo = try reader.readDER(DER.sequence)
    _ = try contentInfo.readDER(DER.objectIdentifier)
    var content = try contentInfo.readDER(DER.contextConstructed0)
    return Array(content.readToEnd())
  }
}

extension KeyHierarchy {
  /// Parameters of new keys.
  package struct Template: Sendable {
    /// Start of each subject's common name; the role is appended.
    package var name: String
    /// RSA modulus in bits.
    package var bits: Int
    package var owner: GUID
    /// Whether db's certificate may issue others, as kernels with CONFIG_INTEGRITY_CA_MACHINE_KEYRING demand of a MOK.
    package var isAuthority = false

    package init(name: String, bits: Int, owner: GUID) {
      self.name = name
      self.bits = bits
      self.owner = owner
    }
  }

  /// Ten years, in seconds.
  fileprivate static let validity: Int64 = 3652 * 86_400
  /// Validity starts one day early, in seconds.
  ///
  /// Otherwise the keys would not be valid yet after the clock is set back, such as by correcting a time zone.
  fileprivate static let clockTolerance: Int64 = 86_400

  /// Generates keys, each with a self-signed certificate with its own name, a random serial number and ten years of
  /// validity.
  ///
  /// If the clock is behind the date of this program, as it may be before the first contact with a time server, the
  /// validity starts at that date.
  package init(creating template: Template, on host: Host) throws {
    self.init(
      platformKey: try template.identity(.platformKey, on: host),
      keyExchangeKey: try template.identity(.keyExchangeKey, on: host),
      signatureDatabaseKey: try template.identity(.signatureDatabase, on: host), owner: template.owner)
  }
}

extension KeyHierarchy.Template {
  /// Generates the key and the certificate of one role.
  ///
  /// `key` is used instead of a new key, and `suffix` instead of the role's name.
  package func identity(
    _ role: KeyRole, suffix: String? = nil, key: PrivateKey? = nil, on host: Host
  ) throws -> SigningIdentity {
    let start = host.plausibleTime
    let key = try key ?? PrivateKey.generateRSA(bits: bits)
    var serial = try host.randomBytes(16)
    // Positive, and always 16 bytes long.
    serial[0] = serial[0] & 0x3f | 0x40
    let isAuthority = isAuthority && role == .signatureDatabase
    let certificate = try SelfSignedCertificate(
      commonName: "\(name) \(suffix ?? role.name)", serialNumber: serial,
      notBefore: start - KeyHierarchy.clockTolerance, notAfter: start + KeyHierarchy.validity,
      isAuthority: isAuthority,
      keyUsage: isAuthority ? "critical,digitalSignature,keyCertSign" : "critical,digitalSignature",
      extendedKeyUsage: role.extendedKeyUsage
    ).issue(by: key)
    return try SigningIdentity(key: key, certificate: certificate)
  }
}

/// What a key of an owner's hierarchy is for (UEFI 2.10 section 32.3).
package enum KeyRole: String, CaseIterable, Sendable {
  /// Platform key: signs updates of PK and KEK.
  case platformKey = "PK"
  /// Key exchange key: signs updates of db and dbx.
  case keyExchangeKey = "KEK"
  /// Signs the programs that the firmware starts.
  case signatureDatabase = "db"

  package var name: String { rawValue }

  /// The variable that contains the certificate.
  package var variable: EFIVariableName {
    switch self {
    case .platformKey: .platformKey
    case .keyExchangeKey: .keyExchangeKey
    case .signatureDatabase: .signatureDatabase
    }
  }

  /// The key that signs updates of the variable.
  package var authority: KeyRole { self == .signatureDatabase ? .keyExchangeKey : .platformKey }

  /// The certificate's extended key usage in OpenSSL's notation.
  ///
  /// The firmware ignores it. Code signing for db satisfies strict verifiers. The module-signing purpose is omitted
  /// since shim rejects images signed by such a certificate.
  package var extendedKeyUsage: String? { self == .signatureDatabase ? "codeSigning" : nil }
}

extension DER {
  /// `[0]`, explicit.
  fileprivate static let contextConstructed0: UInt8 = 0xa0
}
