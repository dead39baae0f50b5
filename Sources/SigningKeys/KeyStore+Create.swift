// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Cryptography
package import HostSystem
internal import Messages

extension KeyStore {
  /// Writes new keys into a store that does not exist: all files at once, private keys with mode 0600 in a directory
  /// with mode 0700 from the first byte. What was written is read back before it takes its place.
  package func create(_ hierarchy: KeyHierarchy, on host: Host) throws {
    try host.files.makeCompleteDirectory(directory) { temporary in
      for role in KeyRole.allCases {
        let identity = hierarchy[role]
        let key = "\(temporary)/\(Self.keyFile(of: role))"
        try host.files.replaceFile(key, mode: 0o600, content: try identity.key.serializedPEM())
        let certificate = "\(temporary)/\(Self.certificateFile(of: role))"
        try host.files.replaceFile(certificate, mode: 0o644, content: try identity.certificate.serializedPEM())
      }
      let owner = Array("\(hierarchy.owner)\n".utf8)
      try host.files.replaceFile("\(temporary)/\(Self.ownerFile)", mode: 0o644, content: owner)
      let written = try KeyStore(of: host, directory: temporary).hierarchy(at: host.now())
      guard
        KeyRole.allCases.allSatisfy({ written[$0].certificate == hierarchy[$0].certificate }),
        written.owner == hierarchy.owner
      else {
        throw HostError(
          "create", displayPath, detail: "what was read back differs from what was written",
          hint: "memory or storage of this machine may be failing")
      }
    }
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
