// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
package import Messages

/// Signs kernel modules as the kernel's `scripts/sign-file` does, byte for byte.
package struct ModuleSigner: Sendable {
  package var identity: SigningIdentity
  /// What the kernel was built with (`CONFIG_MODULE_SIG_HASH`); it may have no other.
  package var algorithm: DigestAlgorithm

  package init(identity: SigningIdentity, algorithm: DigestAlgorithm) {
    self.identity = identity
    self.algorithm = algorithm
  }

  /// A PKCS#7 message over a module that has this digest of `algorithm` without a trailer.
  ///
  /// Throws `CryptoError`.
  package func signature(ofContentWith digest: [UInt8]) throws(CryptoError) -> [UInt8] {
    try SignedData.sign(digest: digest, algorithm: algorithm, by: identity)
  }
}

extension ModuleTrailer {
  /// What is appended to a module to make it one with this signature, a PKCS#7 message in DER.
  ///
  /// Throws `ParseError` `range` for one that the kernel would not take: it has up to `sizeLimit` bytes.
  package static func bytes(for signature: [UInt8]) throws(ParseError) -> [UInt8] {
    guard signature.count <= sizeLimit - mark.count - 12 else {
      throw ParseError(format, at: 0, .range, "\(signature.count) bytes of signature are too many")
    }
    var writer = ByteWriter()
    writer.write(signature)
    writer.write([0, 0, pkcs7, 0, 0, 0, 0, 0])
    writer.write(UInt32(signature.count), .big)
    writer.write(mark)
    return writer.bytes
  }
}
