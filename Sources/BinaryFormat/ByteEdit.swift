// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Bytes of a text that others take the place of: an empty range inserts, an empty replacement deletes.
///
/// A list of edits that is sorted and does not overlap describes a new text.
package struct ByteEdit: Hashable, Sendable {
  /// Offsets in the old text.
  package var range: Range<Int>
  package var replacement: [UInt8]

  package init(range: Range<Int>, replacement: [UInt8]) {
    self.range = range
    self.replacement = replacement
  }

  /// By how many bytes the text grows; negative if it shrinks.
  package var growth: Int { replacement.count - range.count }
}

extension Collection<ByteEdit> {
  /// Whether each edit lies within `text` and begins no earlier than the one before it ends.
  package func areOrdered(within text: Range<Int>) -> Bool {
    var position = text.lowerBound
    for edit in self {
      guard edit.range.lowerBound >= position, edit.range.upperBound <= text.upperBound else { return false }
      position = edit.range.upperBound
    }
    return true
  }

  /// By how many bytes all of them make the text longer.
  package var growth: Int { reduce(0) { $0 + $1.growth } }
}
