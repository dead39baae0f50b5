// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
internal import EFIData
package import HostSystem

/// Recognises files for the enrolment of the owner's keys by their content, whatever program wrote them.
package struct OwnKeyFiles: Sendable {
  /// Maximum size of such a file in bytes; most have 1 to 16 KiB, those for dbx up to 40 KiB.
  package static let sizeLimit = 256 << 10

  /// PK, KEK, db and the certificate that signs UKIs, as far as they can be read.
  package let certificates: Set<Certificate>
  /// Those that sign updates: PK and KEK.
  private let authorities: [Certificate]

  /// `certificate` signs UKIs; nil if it cannot be read.
  package init(of host: Host, certificate: Certificate?) {
    let store = KeyStore(of: host)
    authorities = [KeyRole.platformKey, .keyExchangeKey].compactMap { try? store.certificate(of: $0) }
    certificates = Set(
      authorities + [try? store.certificate(of: .signatureDatabase), certificate].compactMap { $0 })
  }

  /// Whether the content is a certificate of the owner, a signature list with one, or an update that the owner signed.
  package func contain(_ bytes: [UInt8]) -> Bool {
    if let found = try? CertificateFile(parsing: bytes).certificates { return found.allSatisfy(certificates.contains) }
    if let update = try? AuthenticatedVariable(parsing: bytes) { return isSigned(update) }
    return hasOwnCertificate(bytes)
  }

  /// Whether the content is one of these kinds of files, of any owner.
  package static func isKeyFile(_ bytes: [UInt8]) -> Bool {
    (try? CertificateFile(parsing: bytes)) != nil || (try? AuthenticatedVariable(parsing: bytes)) != nil
      || (try? SignatureDatabase(parsing: bytes))?.signatures(of: .x509).isEmpty == false
  }

  /// Unsigned updates exist, too: firmware in Setup Mode accepts them.
  private func isSigned(_ update: AuthenticatedVariable) -> Bool {
    guard !update.signature.isEmpty else { return hasOwnCertificate(update.payload) }
    return authorities.contains { update.signature.contains(bytes: $0.der) }
  }

  private func hasOwnCertificate(_ list: [UInt8]) -> Bool {
    guard let lists = try? SignatureDatabase(parsing: list) else { return false }
    return lists.signatures(of: .x509).contains { entry in
      (try? Certificate(parsingPrefixOf: entry.data)).map(certificates.contains) ?? false
    }
  }
}
