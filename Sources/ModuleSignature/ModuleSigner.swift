// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
package import Messages

/// Signs kernel modules as the kernel's `scripts/sign-file` does, byte for byte.
package struct ModuleSigner: Sendable {
  package var identity: SigningIdentity
  /// The algorithm of the kernel's build (`CONFIG_MODULE_SIG_HASH`); the kernel may lack others.
  package var algorithm: DigestAlgorithm

  package init(identity: SigningIdentity, algorithm: DigestAlgorithm) {
    self.identity = identity
    self.algorithm = algorithm
  }

  /// Returns a PKCS#7 signature for a module whose content without a trailer has this digest.
  ///
  /// Throws `CryptoError`.
  package func signature(ofContentWith digest: [UInt8]) throws(CryptoError) -> [UInt8] {
    try SignedData.sign(digest: digest, algorithm: algorithm, by: identity)
  }
}

extension ModuleTrailer {
  /// The trailer to append to a module for this signature, a PKCS#7 message in DER.
  ///
  /// Throws `ParseError` `range` if the trailer would have more than `sizeLimit` bytes.
  package static func bytes(for signature: [UInt8]) throws(ParseError) -> [UInt8] {
    guard signature.count <= sizeLimit - mark.count - 12 else {
      throw ParseError(format, at: 0, .range, "the signature has \(signature.count) bytes, too many for the trailer")
    }
    var writer = ByteWriter()
    writer.write(signature)
    writer.write([0, 0, pkcs7, 0, 0, 0, 0, 0])
    writer.write(UInt32(signature.count), .big)
    writer.write(mark)
    return writer.bytes
  }
}
