// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A block as it goes into a file.
package struct EncodedBlock: Hashable, Sendable {
  /// Header, compressed data, padding and check.
  package var bytes: [UInt8]
  /// Bytes without the padding, for the index.
  package var unpaddedSize: Int
  /// Bytes of text.
  package var textCount: Int
  /// Whether the symbols of an earlier block were kept, rather than found anew by liblzma.
  package var wasTranscoded: Bool
}
