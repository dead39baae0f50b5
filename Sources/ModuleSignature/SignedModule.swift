// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import Messages

/// A kernel module's signature, as `scripts/sign-file` of the kernel makes it: PKCS#7 without attributes and
/// certificates, over all that stands before it.
package struct SignedModule: Sendable {
  package let message: SignedData
  /// Of the content.
  package let algorithm: DigestAlgorithm

  /// Throws `CryptoError` if it cannot be read, or is of a form that the kernel does not verify.
  package init(_ trailer: ModuleTrailer) throws(CryptoError) {
    message = try SignedData(parsing: trailer.signature)
    guard let signer = message.plainSigner else {
      throw CryptoError(.malformed, "cannot read the signature", ["it has not one signer without attributes"])
    }
    algorithm = signer.algorithm
  }

  /// Who made it: the issuer and the serial number of a certificate.
  package var signerName: String { message.plainSigner?.name ?? "" }

  /// The first of `certificates` that signed content with this digest; nil if none of them did.
  package func signer(ofContentWith digest: [UInt8], among certificates: [Certificate]) throws(CryptoError)
    -> Certificate?
  {
    for certificate in certificates where message.names(certificate) {
      if try message.verifies(digest: digest, by: certificate) { return certificate }
    }
    return nil
  }

  /// Whether it says that one of `certificates` made it.
  package func names(oneOf certificates: [Certificate]) -> Bool { certificates.contains { message.names($0) } }
}
