// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
internal import EFIData
package import Messages
internal import SecureBoot

/// A certificate in one of the firmware's lists, or the digests in it, for people.
package struct ListEntry: Hashable, Sendable {
  package enum Origin: String, Sendable {
    case own = "own"
    case microsoft = "microsoft"
    case other = "other"
  }

  package var origin: Origin
  package var name: Message
  /// SHA-256 of the certificate in hexadecimal; nil for digests.
  package var fingerprint: String?

  /// What the data of a variable contains: each certificate, then the number of digests.
  package static func entries(in data: [UInt8], own: [Certificate]) -> [ListEntry] {
    let database = SignatureDatabase.readable(in: data).database
    var entries = database.signatures(of: .x509).map { signature -> ListEntry in
      guard let certificate = try? Certificate(parsingPrefixOf: signature.data) else {
        return ListEntry(origin: .other, name: "a certificate that cannot be read")
      }
      let origin: Origin =
        own.contains(certificate) ? .own : VendorCertificate(certificate) == nil ? .other : .microsoft
      return ListEntry(
        origin: origin, name: Message(verbatim: certificate.displayName),
        fingerprint: (try? certificate.fingerprint())?.hexadecimal)
    }
    let others = database.lists.filter { $0.type != .x509 }.reduce(0) { $0 + $1.signatures.count }
    if others > 0 { entries.append(ListEntry(origin: .other, name: "digests: \(others)")) }
    return entries
  }

  /// Which of Microsoft's certificates are in the data.
  static func vendorCertificates(in data: [UInt8]) -> Set<VendorCertificate> {
    let signatures = SignatureDatabase.readable(in: data).database.signatures(of: .x509)
    return Set(
      signatures.compactMap { (try? Certificate(parsingPrefixOf: $0.data)).flatMap { VendorCertificate($0) } })
  }

  private init(origin: Origin, name: Message, fingerprint: String? = nil) {
    self.origin = origin
    self.name = name
    self.fingerprint = fingerprint
  }
}
