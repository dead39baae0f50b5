// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

/// The certificates in a file: one or more in PEM, or one in DER.
package struct CertificateFile: Sendable {
  /// In the order of the file, without duplicates; at least one.
  package let certificates: [Certificate]

  /// The maximum number of certificates in the chain of a signing certificate; real ones have up to five.
  private static let chainLimit = 10

  /// Reads all certificates; in PEM, text and keys between them are skipped.
  ///
  /// Throws `CryptoError` `certificateFile` if there is none, or if one is damaged.
  package init(parsing bytes: [UInt8]) throws(CryptoError) {
    let found = bytes.first == 0x30 ? [try Self.der(bytes)] : try Self.pem(bytes)
    var distinct: [Certificate] = []
    for certificate in found where !distinct.contains(certificate) { distinct.append(certificate) }
    certificates = distinct
  }

  /// The certificate that all others issued, directly or indirectly, with the others as its `issuers`.
  ///
  /// Throws `CryptoError` `certificateFile` if the certificates are not one chain.
  package func signer() throws(CryptoError) -> Certificate {
    guard certificates.count > 1 else { return certificates[0] }
    guard certificates.count <= Self.chainLimit else {
      throw Self.failure("it contains \(certificates.count) certificates; a chain has at most \(Self.chainLimit)")
    }
    for certificate in certificates {
      let chain = try Certificate(certificate, issuers: certificates.filter { $0 != certificate })
      var isSigner = true
      for issuer in chain.issuers where isSigner { isSigner = try chain.descends(from: issuer) }
      if isSigner { return chain }
    }
    throw Self.failure("its certificates are not one chain")
  }

  private static func der(_ bytes: [UInt8]) throws(CryptoError) -> Certificate {
    do {
      return try Certificate(parsing: bytes)
    } catch {
      throw failure(notCertificate)
    }
  }

  private static func pem(_ bytes: [UInt8]) throws(CryptoError) -> [Certificate] {
    let pointers = try withReadOnlyBIO(bytes) { bio throws(CryptoError) in
      var pointers: [OpaquePointer] = []
      ErrorQueue.clear()
      while let pointer = PassphraseSource.none.withCallback({ PEM_read_bio_X509(bio, nil, readPassphrase, $0) }).result
      {
        pointers.append(pointer)
      }
      return pointers
    }
    let isAtEnd = ErrorQueue.endsWithoutStartLine
    ErrorQueue.clear()
    var certificates: [Certificate] = []
    for pointer in pointers { certificates.append(try Certificate(owning: pointer)) }
    guard isAtEnd || certificates.isEmpty else {
      throw failure("certificate \(certificates.count + 1) in it is damaged")
    }
    guard !certificates.isEmpty else { throw failure(notCertificate) }
    return certificates
  }

  private static let notCertificate: Message = "it is not a certificate in PEM or DER"

  private static func failure(_ reason: Message) -> CryptoError {
    CryptoError(.certificateFile, "cannot read the certificate", [reason])
  }
}
