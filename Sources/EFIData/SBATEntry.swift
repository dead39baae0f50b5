// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

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

  /// An entry from a line that begins at byte `offset` of its section. Throws `ParseError`.
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
