// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import EFIData
internal import Messages

/// The readable content of db, dbx, dbt, MokListRT or MokListXRT, or of a list built into shim.
///
/// Each program reads it in its own way: EDK2 looks at every certificate, shim only at the first of each signature list.
package struct TrustList: Sendable {
  /// A certificate of the list.
  struct Anchor: Sendable {
    let certificate: Certificate
    /// Whether it is the first in its signature list.
    let isFirst: Bool
    /// Whether shim uses it for images: two bytes of length as DER, exactly as long as its entry, and without the extended
    /// key usage for kernel modules.
    let isUsedByShim: Bool
  }

  /// A digest of a certificate's to-be-signed part, with the time of its revocation.
  struct RevokedCertificate: Sendable {
    let algorithm: DigestAlgorithm
    let digest: [UInt8]
    /// Nil if it is revoked regardless of time stamps.
    let time: EFITime?
  }

  /// Name of the variable.
  package let name: String
  /// Whether the variable exists.
  let isPresent: Bool
  let anchors: [Anchor]
  let revokedCertificates: [RevokedCertificate]
  /// The data of all entries of the types for image digests; as a rule, as long as the digest.
  private let digests: [DigestAlgorithm: Set<[UInt8]>]

  package var certificates: [Certificate] { anchors.map(\.certificate) }
  /// Whether nothing can match.
  var isEmpty: Bool { anchors.isEmpty && digests.isEmpty && revokedCertificates.isEmpty }

  /// The list of a variable that does not exist.
  package init(name: String) {
    self.name = name
    isPresent = false
    anchors = []
    revokedCertificates = []
    digests = [:]
  }

  /// Reads the content of a variable; `notes` gets a sentence for all that is skipped.
  init(name: String, content: [UInt8], notes: inout [Message]) {
    let (database, defects) = SignatureDatabase.readable(in: content)
    self.init(name: name, database)
    notes += defects.map { "\(name) is damaged: \($0)" }
    for list in database.lists where Self.isUnknown(list.type) {
      notes.append("\(name) contains \(list.signatures.count) entries of unknown type \(list.type.guid)")
    }
    let unreadable = database.signatures(of: .x509).count - anchors.count
    if unreadable > 0 { notes.append("\(name) contains certificates that cannot be read: \(unreadable)") }
  }

  /// A list of certificates, in the order in which a program looks at them.
  package init(name: String, certificates: [Certificate]) {
    self.name = name
    isPresent = true
    anchors = certificates.map { Anchor(certificate: $0, isFirst: true, isUsedByShim: true) }
    revokedCertificates = []
    digests = [:]
  }

  private init(name: String, _ database: SignatureDatabase) {
    self.name = name
    isPresent = true
    anchors = database.lists.filter { $0.type == .x509 }.flatMap { list in
      list.signatures.enumerated().compactMap { index, signature in
        (try? Certificate(parsingPrefixOf: signature.data)).map { certificate in
          Anchor(
            certificate: certificate, isFirst: index == 0,
            isUsedByShim: Self.isUsedByShim(certificate, entry: signature.data))
        }
      }
    }
    revokedCertificates = database.lists.flatMap { list -> [RevokedCertificate] in
      guard let algorithm = Self.certificateDigests[list.type] else { return [] }
      return list.signatures.compactMap { RevokedCertificate(algorithm, $0.data) }
    }
    digests = database.lists.reduce(into: [:]) { digests, list in
      guard let algorithm = Self.imageDigests[list.type] else { return }
      digests[algorithm, default: []].formUnion(list.signatures.map(\.data))
    }
  }

  /// Whether an entry is exactly this digest of an image.
  func contains(_ digest: [UInt8]?, _ algorithm: DigestAlgorithm) -> Bool {
    digest.map { digests[algorithm]?.contains($0) == true } ?? false
  }

  /// Whether an entry starts with this digest of an image, which is what shim looks for.
  func containsPrefix(_ digest: [UInt8]?, _ algorithm: DigestAlgorithm) -> Bool {
    guard let digest, let entries = digests[algorithm] else { return false }
    return entries.contains(digest) || entries.contains { $0.starts(with: digest) }
  }

  /// The algorithms of the image digests in it.
  var digestAlgorithms: Set<DigestAlgorithm> { Set(digests.keys) }

  /// All image digests made with the algorithm.
  package func imageDigests(_ algorithm: DigestAlgorithm) -> Set<[UInt8]> { digests[algorithm] ?? [] }

  private static let imageDigests: [SignatureType: DigestAlgorithm] = [
    .sha1: .sha1, .sha256: .sha256, .sha384: .sha384, .sha512: .sha512,
  ]
  private static let certificateDigests: [SignatureType: DigestAlgorithm] = [
    .x509SHA256: .sha256, .x509SHA384: .sha384, .x509SHA512: .sha512,
  ]

  private static func isUnknown(_ type: SignatureType) -> Bool {
    type != .x509 && imageDigests[type] == nil && certificateDigests[type] == nil
  }

  /// Whether shim uses the certificate for images once it is in one of its lists.
  package static func isUsedByShim(_ certificate: Certificate) -> Bool {
    isUsedByShim(certificate, entry: certificate.der)
  }

  private static func isUsedByShim(_ certificate: Certificate, entry: [UInt8]) -> Bool {
    hasLengthForShim(entry) && !certificate.isForKernelModules
  }

  private static func hasLengthForShim(_ der: [UInt8]) -> Bool {
    der.count >= 4 && der[0] == 0x30 && der[1] == 0x82 && Int(der[2]) << 8 + Int(der[3]) == der.count - 4
  }
}

extension TrustList.RevokedCertificate {
  /// Nil if the entry is too short for its digest.
  ///
  /// An entry without a readable time revokes the certificate regardless of time stamps.
  fileprivate init?(_ algorithm: DigestAlgorithm, _ data: [UInt8]) {
    guard data.count >= algorithm.size else { return nil }
    self.algorithm = algorithm
    digest = Array(data.prefix(algorithm.size))
    time = EFITime(revocation: data.dropFirst(algorithm.size))
  }

  /// Whether this is the certificate.
  func matches(_ certificate: Certificate) throws -> Bool {
    try certificate.toBeSignedDigest(algorithm) == digest
  }
}
