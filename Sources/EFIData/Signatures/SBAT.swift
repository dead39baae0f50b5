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

  /// Entries from a section's bytes.
  ///
  /// NUL bytes at the end, which sections and some producers pad with, are passed over, and so are empty lines. Throws
  /// `ParseError` for a NUL elsewhere, text that is not UTF-8, a line with fewer than six fields and a generation that
  /// is not a positive number.
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

/// One line of a `.sbat` section: component, generation, vendor, package, version and URL.
package struct SBATEntry: Hashable, Sendable {
  /// The line as it came, without the character that ends it.
  package let bytes: [UInt8]
  package let component: String
  /// How often the component was revoked, from 1; an image is refused if the firmware asks for a higher one.
  package let generation: Int

  /// The line that says which version of the format the others follow.
  package var isHeader: Bool { component == "sbat" }

  /// The header line of version 1, as ukify and the systemd stub write it.
  package static let header = SBATEntry(
    bytes: Array("sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md".utf8), component: "sbat",
    generation: 1)

  private init(bytes: [UInt8], component: String, generation: Int) {
    self.bytes = bytes
    self.component = component
    self.generation = generation
  }

  /// An entry from a line that begins at byte `offset` of its section.
  ///
  /// Throws `ParseError`.
  package init(line: ArraySlice<UInt8>, at offset: Int) throws(ParseError) {
    guard !line.contains(0), String(validating: line, as: UTF8.self) != nil else {
      throw ParseError("SBAT", at: offset, .encoding, "the line is not UTF-8 text")
    }
    let fields = line.split(separator: UInt8(ascii: ","), maxSplits: 5, omittingEmptySubsequences: false)
    guard fields.count == 6, !fields[0].isEmpty else {
      throw ParseError(
        "SBAT", at: offset, .fieldCount, "a line has six fields, the first not empty; this one has \(fields.count)")
    }
    let digits = fields[1]
    guard digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
      let generation = Int32(String(decoding: digits, as: UTF8.self)), generation > 0
    else {
      throw ParseError("SBAT", at: offset, .range, "the second field is not a generation, a number from 1")
    }
    bytes = Array(line)
    component = String(decoding: fields[0], as: UTF8.self)
    self.generation = Int(generation)
  }
}

extension ParseError.Rule {
  /// A line has another number of fields than its format demands.
  package static let fieldCount: Self = "field count"
}
