// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Finds repetitions among replacements: the signatures of a thousand modules are nearly identical.
///
/// It searches no other text, so it costs almost nothing.
struct ReplacementMatcher {
  private static let hashBits = 14
  private static let shortest = 4
  private static let longest = 273

  private let text: UnsafePointer<UInt8>
  private let dictionarySize: Int
  /// For each hash of four bytes, their latest offset plus one.
  private var places = [UInt32](repeating: 0, count: 1 << hashBits)

  /// Creates a matcher; `text` must stay valid while it is used, and have padding at its end.
  init(text: UnsafePointer<UInt8>, dictionarySize: Int) {
    self.text = text
    self.dictionarySize = dictionarySize
  }

  /// The next match in `range`, which must be within a replacement: its start, length and distance (1 for the previous
  /// byte).
  ///
  /// Nil if no match is found. Call with ascending ranges.
  mutating func nextMatch(in range: Range<Int>) -> (start: Int, length: Int, distance: Int)? {
    var position = range.lowerBound
    while position + Self.shortest <= range.upperBound {
      let candidate = remember(position)
      let length = candidate < 0 ? 0 : commonLength(candidate, position, limit: range.upperBound - position)
      if length >= Self.shortest, position - candidate <= dictionarySize {
        for inner in position + 1..<position + length where inner + Self.shortest <= range.upperBound {
          _ = remember(inner)
        }
        return (position, length, position - candidate)
      }
      position += 1
    }
    return nil
  }

  /// Returns the latest offset that may have the same four bytes as `position`, or -1, and records `position`.
  private mutating func remember(_ position: Int) -> Int {
    let slot = hash(at: position)
    defer { places[slot] = UInt32(truncatingIfNeeded: position + 1) }
    return Int(places[slot]) - 1
  }

  private func hash(at position: Int) -> Int {
    let value = UnsafeRawPointer(text + position).loadUnaligned(as: UInt32.self)
    return Int(truncatingIfNeeded: (value &* 0x9e37_79b1) >> UInt32(32 - Self.hashBits))
  }

  private func commonLength(_ first: Int, _ second: Int, limit: Int) -> Int {
    let limit = min(limit, Self.longest)
    var length = 0
    while length < limit, text[first + length] == text[second + length] { length += 1 }
    return length
  }
}
