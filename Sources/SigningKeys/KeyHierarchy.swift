// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
internal import EFIData
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
    try update(role, signatureList(for: role), at: time)
  }

  /// The update that removes PK and so leads back to Setup Mode; `time` must be later than that of PK's enrolment.
  package func platformKeyRemoval(at time: Int64) throws -> [UInt8] { try update(.platformKey, [], at: time) }

  private func update(_ role: KeyRole, _ payload: [UInt8], at seconds: Int64) throws -> [UInt8] {
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

extension DER {
  /// `[0]`, explicit.
  fileprivate static let contextConstructed0: UInt8 = 0xa0
}
