// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A digest that is a member of something that can be copied.
package final class RunningDigest {
  private var digest: Digest?

  package init(_ algorithm: DigestAlgorithm) throws(CryptoError) { digest = try Digest(algorithm) }

  package func update(_ bytes: UnsafeRawBufferPointer) throws(CryptoError) { try digest?.update(bytes) }

  package func update(_ bytes: [UInt8]) throws(CryptoError) { try digest?.update(bytes) }

  /// The digest of all that was fed; empty if it was asked for before.
  package func finish() throws(CryptoError) -> [UInt8] {
    guard let digest = digest.take() else { return [] }
    return try digest.finish()
  }
}
