// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// A compressed stream that cannot be unpacked: what libarchive says of it, and what to do.
package struct CompressionError: HintedError, Hashable {
  /// The rest of a sentence about the stream.
  package var detail: Message
  package var message: Message { "it cannot be unpacked: \(detail)" }
  package var hint: Message? { "install the package that the file belongs to once more" }
}
