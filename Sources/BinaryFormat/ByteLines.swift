// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The lines of a text, without their line feeds, found while iterating: memory use does not depend on their number.
///
/// A line feed at the end is followed by an empty line, as in `split(omittingEmptySubsequences: false)`.
package struct ByteLines: Sequence, IteratorProtocol {
  /// Nil after the last line.
  private var rest: ArraySlice<UInt8>?

  package init(_ text: ArraySlice<UInt8>) { rest = text }
  package init(_ text: [UInt8]) { rest = text[...] }

  package mutating func next() -> ArraySlice<UInt8>? {
    guard let text = rest else { return nil }
    let end = text.firstIndex(of: 0x0a)
    rest = end.map { text[($0 + 1)...] }
    return end.map { text[..<$0] } ?? text
  }
}
