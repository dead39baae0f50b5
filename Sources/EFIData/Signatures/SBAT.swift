// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The content of a `.sbat` section: comma-separated lines with the components of an image and how often each was
/// revoked (SBAT.md of the shim project).
///
/// The bytes of a line are kept and written back unchanged.
package struct SBAT: Hashable, Sendable {
  package private(set) var entries: [SBATEntry]

  /// Entries in file order.
  package init(entries: [SBATEntry]) { self.entries = entries }

  /// Entries from a section's bytes.
  ///
  /// Skips empty lines and NUL bytes at the end, which sections and some tools use as padding. Throws `ParseError` for
  /// a NUL elsewhere, text that is not UTF-8, a line with fewer than six fields and a generation that is not a positive
  /// number.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    let text = bytes.prefix(upTo: (bytes.lastIndex { $0 != 0 } ?? -1) + 1)
    entries = []
    var start = 0
    for end in 0...text.count where end == text.count || Self.endsLine(text[end]) {
      if end > start { entries.append(try SBATEntry(line: text[start..<end], at: start)) }
      start = end + 1
    }
  }

  /// The highest generation of `component`; nil if no line names it.
  package func generation(of component: String) -> Int? {
    entries.filter { $0.component == component }.map(\.generation).max()
  }

  /// These entries, then those of `other` that differ from them in any byte, after a single header line.
  ///
  /// The header is the one with the highest version in either, or version 1 if neither has a header.
  package func merged(with other: SBAT) -> SBAT {
    let all = entries + other.entries
    var header = all.first { $0.isHeader } ?? .header
    for entry in all where entry.isHeader && entry.generation > header.generation { header = entry }
    var seen: Set<SBATEntry> = []
    return SBAT(entries: [header] + all.filter { !$0.isHeader && seen.insert($0).inserted })
  }

  /// The lines, each with a line feed, without a NUL at the end.
  package func serialize() -> [UInt8] { Array(entries.map { $0.bytes + [UInt8(ascii: "\n")] }.joined()) }

  /// Shim accepts both characters as line ends.
  private static func endsLine(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }
}

/// One line of a `.sbat` section: component, generation, vendor, package, version and URL.
package struct SBATEntry: Hashable, Sendable {
  /// The line as read, without the line end.
  package let bytes: [UInt8]
  package let component: String
  /// How often the component was revoked, from 1; shim rejects an image if a higher generation is required.
  package let generation: Int

  /// Whether this is the line with the format's version.
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

  /// An entry from a line that starts at byte `offset` of its section.
  ///
  /// Throws `ParseError`.
  package init(line: ArraySlice<UInt8>, at offset: Int) throws(ParseError) {
    guard !line.contains(0) else {
      throw ParseError("SBAT", at: offset, .encoding, "the line contains a NUL byte")
    }
    guard String(validating: line, as: UTF8.self) != nil else {
      throw ParseError("SBAT", at: offset, .encoding, "the line is not UTF-8 text")
    }
    let fields = line.split(separator: UInt8(ascii: ","), maxSplits: 5, omittingEmptySubsequences: false)
    guard fields.count == 6, !fields[0].isEmpty else {
      throw ParseError(
        "SBAT", at: offset, .fieldCount, "expected six fields, the first not empty; found \(fields.count)")
    }
    let digits = fields[1]
    guard digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
      let generation = Int32(String(decoding: digits, as: UTF8.self)), generation > 0
    else {
      throw ParseError("SBAT", at: offset, .range, "the generation in the second field is not a positive number")
    }
    bytes = Array(line)
    component = String(decoding: fields[0], as: UTF8.self)
    self.generation = Int(generation)
  }
}

extension ParseError.Rule {
  /// A line has the wrong number of fields.
  package static let fieldCount: Self = "field count"
}
