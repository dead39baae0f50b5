// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
internal import DebianArchive
internal import ModuleSignature
internal import PortableExecutable

/// Where signatures come from: a key, or a directory that somebody with a key has filled.
protocol SignatureSource: Sendable {
  /// Who signs, for people.
  var signer: String { get }
  /// SHA-256 of the signer's certificate; nil if it is not known.
  func certificateFingerprint() throws -> [UInt8]?
  /// Whether there is one of a module; what has none stays as it is.
  func covers(_ path: ArchivePath) -> Bool
  /// Whether these signers are just ours.
  func isOurs(_ signers: [Certificate]) -> Bool
  /// Over an image with this SHA-256 Authenticode digest.
  func imageSignature(of path: ArchivePath, digest: [UInt8]) throws -> CertificateTable.Entry
  /// A PKCS#7 message over a module with this digest.
  func moduleSignature(of path: ArchivePath, digest: [UInt8], _ algorithm: DigestAlgorithm) throws -> [UInt8]
}

/// Signs with a key at hand.
struct KeySignatures: SignatureSource {
  let identity: SigningIdentity
  /// Seconds since 1970, or nil for none.
  let signingTime: Int64?

  var signer: String { identity.certificate.subject }
  func certificateFingerprint() throws -> [UInt8]? { try identity.certificate.fingerprint() }
  func covers(_ path: ArchivePath) -> Bool { true }
  func isOurs(_ signers: [Certificate]) -> Bool { signers == [identity.certificate] }

  func imageSignature(of path: ArchivePath, digest: [UInt8]) throws -> CertificateTable.Entry {
    try AuthenticodeSignature.sign(digest: digest, by: identity, signingTime: signingTime)
  }

  func moduleSignature(of path: ArchivePath, digest: [UInt8], _ algorithm: DigestAlgorithm) throws -> [UInt8] {
    try ModuleSigner(identity: identity, algorithm: algorithm).signature(ofContentWith: digest)
  }
}
