// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The content of a `.sbat` section: comma-separated lines that say of which components an image is made and how often
/// each had to be revoked (SBAT.md of the shim project).
///
/// The bytes of a line are kept and written back as they came.
package struct SBAT: Hashable, Sendable {
  package private(set) var entries: [SBATEntry]

  /// Entries in file order.
  package init(entries: [SBATEntry]) { self.entries = entries }

  /// Entries from a section's bytes. NUL bytes at the end, which sections and some producers pad with, are passed over,
  /// and so are empty lines. Throws `ParseError` for a NUL elsewhere, text that is not UTF-8, a line with fewer than six
  /// fields and a generation that is not a positive number.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    let text = bytes.prefix(upTo: (bytes.lastIndex { $0 != 0 } ?? -1) + 1)
    entries = []
    var start = 0
    for end in 0...text.count where end == text.count || Self.endsLine(text[end]) {
      if end > start { entries.append(try SBATEntry(line: text[start..<end], at: start)) }
      start = end + 1
    }
  }

  /// The highest generation stated for `component`; nil if no line names it.
  package func generation(of component: String) -> Int? {
    entries.filter { $0.component == component }.map(\.generation).max()
  }

  /// These entries and then those of `other` which are not among them, byte for byte, behind a single header line.
  ///
  /// The header is the one of the highest version that either has, and the one of version 1 if neither has any.
  package func merged(with other: SBAT) -> SBAT {
    let all = entries + other.entries
    var header = all.first { $0.isHeader } ?? .header
    for entry in all where entry.isHeader && entry.generation > header.generation { header = entry }
    var seen: Set<SBATEntry> = []
    return SBAT(entries: [header] + all.filter { !$0.isHeader && seen.insert($0).inserted })
  }

  /// The lines, each ended by one line feed; no NUL follows.
  package func serialize() -> [UInt8] { Array(entries.map { $0.bytes + [UInt8(ascii: "\n")] }.joined()) }

  /// Shim ends a line at either character.
  private static func endsLine(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }
}
