// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// A stream that cannot be unpacked or packed: what libarchive says of it, and what to do.
package struct CompressionError: HintedError, Hashable {
  package enum Operation: Hashable, Sendable { case unpack, pack }

  package var operation = Operation.unpack
  /// The rest of a sentence about the stream.
  package var detail: Message

  package init(_ operation: Operation = .unpack, detail: Message) {
    self.operation = operation
    self.detail = detail
  }

  package var message: Message {
    switch operation {
    case .unpack: "it cannot be unpacked: \(detail)"
    case .pack: "it cannot be packed: \(detail)"
    }
  }

  package var hint: Message? {
    switch operation {
    case .unpack: "install the package that the file belongs to once more"
    case .pack: nil
    }
  }
}
