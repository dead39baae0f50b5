// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// A compressed stream that cannot be unpacked: what libarchive says of it, and what to do.
package struct CompressionError: HintedError, Hashable {
  /// The rest of a sentence about the stream.
  package var detail: String
  package var description: String { "it cannot be unpacked: \(detail)" }
  package var hint: String? { "install the package that the file belongs to once more" }
}
