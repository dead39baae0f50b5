// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import HostSystem
internal import Messages

/// The keys of an owner as files: what a key store gets when it is created, imported or restored.
package struct KeySet: Sendable {
  package struct Pair: Sendable {
    package var certificate: Certificate
    /// The private key in PEM, protected by a passphrase or not; nil if it is kept elsewhere.
    package var privateKey: [UInt8]?

    package init(certificate: Certificate, privateKey: [UInt8]?) {
      self.certificate = certificate
      self.privateKey = privateKey
    }
  }

  /// A file of a store.
  package struct File: Sendable {
    package var name: String
    package var mode: UInt32
    package var content: [UInt8]
    package var isPrivateKey: Bool

    package init(name: String, mode: UInt32, content: [UInt8], isPrivateKey: Bool) {
      self.name = name
      self.mode = mode
      self.content = content
      self.isPrivateKey = isPrivateKey
    }
  }

  /// All three roles, or db alone.
  package var pairs: [KeyRole: Pair]
  package var owner: GUID
  /// The time of the latest update signed with these keys, in seconds since 1970; nil if unknown.
  package var lastUpdate: Int64?

  package init(pairs: [KeyRole: Pair], owner: GUID, lastUpdate: Int64? = nil) {
    self.pairs = pairs
    self.owner = owner
    self.lastUpdate = lastUpdate
  }

  /// New keys, encrypted with `passphrase` unless that is nil; opens the encrypted keys once to prove it.
  package init(_ identities: [KeyRole: SigningIdentity], owner: GUID, passphrase: Secret?) throws {
    self.init(
      pairs: try identities.mapValues { identity in
        Pair(certificate: identity.certificate, privateKey: try Self.pem(of: identity, protectedBy: passphrase))
      }, owner: owner)
  }

  /// The private key of an identity in PEM, proven to belong to the certificate when it is read again.
  package static func pem(of identity: SigningIdentity, protectedBy passphrase: Secret?) throws -> [UInt8] {
    let pem = try identity.key.serializedPEM(protectedBy: passphrase)
    let source = passphrase.map { secret in PassphraseSource { secret.copy() } } ?? .none
    _ = try SigningIdentity(key: PrivateKey(parsing: pem, passphrase: source), certificate: identity.certificate)
    return pem
  }

  /// The files in the order in which they are written.
  package func files() throws -> [File] {
    var files: [File] = []
    for role in KeyRole.allCases {
      guard let pair = pairs[role] else { continue }
      if let key = pair.privateKey {
        files.append(File(name: KeyStore.keyFile(of: role), mode: 0o600, content: key, isPrivateKey: true))
      }
      files.append(
        File(
          name: KeyStore.certificateFile(of: role), mode: 0o644, content: try pair.certificate.serializedPEMChain(),
          isPrivateKey: false))
    }
    let owner = Array("\(owner)\n".utf8)
    files.append(File(name: KeyStore.ownerFile, mode: 0o644, content: owner, isPrivateKey: false))
    if let lastUpdate {
      let content = Array("\(lastUpdate)\n".utf8)
      files.append(File(name: KeyStore.updateTimeFile, mode: 0o600, content: content, isPrivateKey: false))
    }
    return files
  }
}

extension Certificate {
  /// The certificate and its issuers in PEM.
  package func serializedPEMChain() throws -> [UInt8] {
    try ([self] + issuers).flatMap { try $0.serializedPEM() }
  }
}
