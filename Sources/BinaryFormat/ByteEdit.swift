// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A replacement of bytes in a text: an empty range inserts, an empty replacement deletes.
///
/// A sorted list of edits without overlap describes a new text.
package struct ByteEdit: Hashable, Sendable {
  /// Offsets in the old text.
  package var range: Range<Int>
  package var replacement: [UInt8]

  package init(range: Range<Int>, replacement: [UInt8]) {
    self.range = range
    self.replacement = replacement
  }

  /// Number of bytes by which the text grows; negative if it shrinks.
  package var growth: Int { replacement.count - range.count }
}

extension Collection<ByteEdit> {
  /// Whether each edit is within `text` and starts at or after the end of the previous one.
  package func areOrdered(within text: Range<Int>) -> Bool {
    var position = text.lowerBound
    for edit in self {
      guard edit.range.lowerBound >= position, edit.range.upperBound <= text.upperBound else { return false }
      position = edit.range.upperBound
    }
    return true
  }

  /// Number of bytes by which all edits together grow the text.
  package var growth: Int { reduce(0) { $0 + $1.growth } }
}
