// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment

/// How one command line differs from another, word by word.
package struct WordDifference: Hashable, Sendable {
  /// Words that only the second line has, or has more often, in order.
  package var added: [String] = []
  /// Words that only the first line has, or has more often.
  package var missing: [String] = []
  /// Whether the common words have another order.
  package var isReordered = false

  /// Compares two lines; white space between words is ignored.
  package init(from old: String, to new: String) {
    let (old, new) = (CommandLineWord.split(old).map(\.text), CommandLineWord.split(new).map(\.text))
    let (kept, missing) = Self.separate(old, by: new)
    let (keptOfNew, added) = Self.separate(new, by: old)
    self.missing = missing
    self.added = added
    isReordered = kept != keptOfNew
  }

  package var isEmpty: Bool { added.isEmpty && missing.isEmpty && !isReordered }

  /// The words that `other` has too, at most as often, and the rest.
  private static func separate(_ words: [String], by other: [String]) -> (kept: [String], rest: [String]) {
    var left: [String: Int] = [:]
    for word in other { left[word, default: 0] += 1 }
    var (kept, rest): ([String], [String]) = ([], [])
    for word in words {
      if let count = left[word], count > 0 {
        left[word] = count - 1
        kept.append(word)
      } else {
        rest.append(word)
      }
    }
    return (kept, rest)
  }
}
