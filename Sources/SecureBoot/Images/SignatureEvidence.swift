// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
package import Cryptography
internal import EFIData
internal import Messages
internal import PortableExecutable

/// An entry of a certificate table, as evidence.
struct SignatureEvidence: Sendable {
  private enum Content: Sendable {
    case read(AuthenticodeSignature, isIntact: Bool)
    /// A signature that would be made with this certificate, for any digest.
    case planned(Certificate)
    /// Signed data that cannot be read, and why.
    case unreadable(Message)
    /// An entry of a type that neither EDK2 nor shim checks.
    case other
  }

  /// Whether the entry has type 0x0002; shim checks no others.
  let isPlain: Bool
  /// The digest algorithm that EDK2 finds in the entry; nil if EDK2 skips it.
  let firmwareAlgorithm: DigestAlgorithm?
  private let content: Content

  /// Reads an entry.
  ///
  /// Throws `CryptoError` if libcrypto fails.
  init(_ entry: CertificateTable.Entry) throws {
    isPlain = entry.type == CertificateTable.Entry.pkcsType
    switch AuthenticodeSignature.reading(entry) {
    case .success(let signature):
      firmwareAlgorithm = signature.firmwareAlgorithm
      content = .read(signature, isIntact: try signature.hasFirmwareForm && signature.isIntact())
    case .failure(let error) where error.rule == .otherType:
      firmwareAlgorithm = nil
      content = .other
    case .failure(let error):
      firmwareAlgorithm = entry.signedData.flatMap(AuthenticodeSignature.firmwareAlgorithm)
      content = .unreadable(error.message)
    }
  }

  /// An entry that a certificate's key would make.
  init(plannedBy certificate: Certificate) {
    isPlain = true
    firmwareAlgorithm = .sha256
    content = .planned(certificate)
  }

  /// Who signed, for messages.
  var name: Message {
    switch content {
    case .read(let signature, _):
      signature.message.signers.first.map { Message(verbatim: $0.displayName) } ?? "an unknown signer"
    case .planned(let certificate): Message(verbatim: certificate.displayName)
    case .unreadable, .other: "an unknown signer"
    }
  }

  /// The signers' certificates; empty if one of them is not included.
  var signers: [Certificate] {
    switch content {
    case .read(let signature, _): signature.message.signers
    case .planned(let certificate): [certificate]
    case .unreadable, .other: []
    }
  }

  /// Whether all signers have RSA keys; some firmware verifies no others.
  var isRSA: Bool {
    switch content {
    case .read(let signature, _): signature.keyObstacle == nil
    case .planned, .unreadable, .other: true
    }
  }
  /// The rest of a sentence about a signature with another key.
  static let ellipticCurve: Message = "was made with a key that is not RSA; not all firmware verifies it"

  /// Whether it is a valid signature of the image with this digest; any digest if nil.
  func isValid(for digest: [UInt8]?) -> Bool {
    switch content {
    case .read(let signature, let isIntact): isIntact && digest.map(signature.matches) == true
    case .planned: true
    case .unreadable, .other: false
    }
  }

  /// Whether every signer is the certificate or descends from it; dates and purposes are ignored.
  func descends(from anchor: Certificate) throws -> Bool {
    switch content {
    case .read(let signature, _): try signature.message.descends(from: anchor)
    case .planned(let certificate): try certificate.descends(from: anchor)
    case .unreadable, .other: false
    }
  }

  /// Whether a time stamp by one of the authorities proves that the signature is not later than `time`.
  func isStamped(noLaterThan time: EFITime, by authorities: [Certificate]) throws -> Bool {
    guard case .read(let signature, _) = content else { return false }
    return try authorities.contains { authority in
      guard let seconds = try signature.timestamp(trusting: authority), let stamp = EFITime(unixSeconds: seconds) else {
        return false
      }
      return stamp <= time
    }
  }

  /// Why the signature does not count for an image with this digest; nil if it is valid.
  func defect(for digest: [UInt8]?) -> Message? {
    switch content {
    case .read(let signature, _) where signature.formObstacle != nil:
      signature.formObstacle.map { "the signature by \(name) \($0)" }
    case .read(_, isIntact: false): "the signature by \(name) is invalid"
    case .read where isValid(for: digest): nil
    case .read: "the image was modified after \(name) signed it"
    case .planned: nil
    case .unreadable(let reason): "a signature cannot be read: \(reason)"
    case .other: "its certificate table has an entry that firmware ignores"
    }
  }
}

extension Certificate {
  /// The subject, or the serial number if the subject is empty.
  package var displayName: String {
    subject.isEmpty ? "without a subject, serial number \(serialNumber.hexadecimal)" : subject
  }
}
