// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import Messages

/// A kernel module's signature in the format of the kernel's `scripts/sign-file`: PKCS#7 without attributes and
/// certificates, over everything before the signature.
package struct SignedModule: Sendable {
  package let message: SignedData
  /// The digest algorithm for the content.
  package let algorithm: DigestAlgorithm

  /// Throws `CryptoError` if the signature is malformed or in a format that `scripts/sign-file` does not make.
  package init(_ trailer: ModuleTrailer) throws(CryptoError) {
    message = try SignedData(parsing: trailer.signature)
    guard let signer = message.plainSigner else {
      throw CryptoError(.malformed, "cannot read the signature", ["not exactly one signer without attributes"])
    }
    algorithm = signer.algorithm
  }

  /// The issuer and serial number of the signer's certificate.
  package var signerName: String { message.plainSigner?.name ?? "" }

  /// The first of `certificates` that signed content with this digest; nil if none did.
  package func signer(ofContentWith digest: [UInt8], among certificates: [Certificate]) throws(CryptoError)
    -> Certificate?
  {
    for certificate in certificates where message.names(certificate) {
      if try message.verifies(digest: digest, by: certificate) { return certificate }
    }
    return nil
  }

  /// Whether the signature names one of `certificates` as its signer.
  package func names(oneOf certificates: [Certificate]) -> Bool { certificates.contains { message.names($0) } }
}
