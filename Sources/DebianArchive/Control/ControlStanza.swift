// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The single paragraph of a package's control file (deb822(5)): fields in order, with their original bytes.
///
/// Lines end in LF or CR LF, as dpkg accepts both. Unchanged fields are written back byte for byte.
package struct ControlStanza: Hashable, Sendable {
  fileprivate struct Field: Hashable, Sendable {
    var name: String
    /// From the first byte of the name to the last line feed.
    var bytes: [UInt8]
  }

  private var fields: [Field]
  /// Blank lines before and after.
  private let before: [UInt8]
  private let after: [UInt8]
  /// LF, or CR LF if the first field ends so.
  private let lineEnd: String

  static let format = "control file"
  private static let sizeLimit = 1 << 20
  /// dpkg knows about thirty.
  private static let fieldLimit = 250

  /// Parses a control file.
  ///
  /// Throws `ParseError` for more or less than one paragraph, duplicate fields, comments and control characters.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    guard bytes.count <= Self.sizeLimit else {
      throw ParseError(Self.format, at: 0, .range, "too large: \(bytes.count) bytes")
    }
    if let stray = bytes.indices.first(where: { !Self.isAllowed(bytes, at: $0) }) {
      throw ParseError(Self.format, at: stray, .encoding, "contains a control character")
    }
    let start: Int = bytes.firstIndex { !Self.isLineEnd($0) } ?? bytes.endIndex
    before = Array(bytes[..<start])
    var fields: [Field] = []
    var rest = bytes[start...]
    while let line = Self.line(of: rest), !line.allSatisfy(Self.isLineEnd) {
      if Self.isBlank(line[line.startIndex]) {
        guard !fields.isEmpty, line.contains(where: { !Self.isBlank($0) && !Self.isLineEnd($0) }) else {
          throw ParseError(Self.format, at: line.startIndex, .encoding, "blank or unexpected continuation line")
        }
        fields[fields.count - 1].bytes += line
      } else {
        let name = try Self.name(of: line)
        guard Self.index(of: name, in: fields) == nil else {
          throw ParseError(Self.format, at: line.startIndex, .overlap, "duplicate field \(name)")
        }
        guard fields.count < Self.fieldLimit else {
          throw ParseError(Self.format, at: line.startIndex, .range, "more than \(Self.fieldLimit) fields")
        }
        fields.append(Field(name: name, bytes: Array(line)))
      }
      rest = rest[line.endIndex...]
    }
    after = Array(rest)
    self.fields = fields
    lineEnd = fields.first?.bytes.suffix(2).elementsEqual([0x0d, 0x0a]) == true ? "\r\n" : "\n"
    guard !fields.isEmpty else { throw ParseError(Self.format, at: start, .truncated, "no fields") }
    if let second = rest.firstIndex(where: { !Self.isLineEnd($0) }) {
      throw ParseError(Self.format, at: second, .trailingBytes, "more than one paragraph")
    }
  }

  /// Whether the byte is not a control character, or is a tab or part of a line end.
  private static func isAllowed(_ bytes: [UInt8], at index: Int) -> Bool {
    switch bytes[index] {
    case 0x09, 0x0a: true
    case 0x0d: index + 1 < bytes.count && bytes[index + 1] == 0x0a
    case 0x20..<0x7f, 0x80...: true
    default: false
    }
  }

  /// The first line, with its line feed.
  private static func line(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard !bytes.isEmpty else { return nil }
    return bytes.firstIndex(of: 0x0a).map { bytes[...$0] } ?? bytes
  }

  private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0a || byte == 0x0d }
  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  private static func name(of line: ArraySlice<UInt8>) throws(ParseError) -> String {
    let name = line.prefix { $0 != UInt8(ascii: ":") }
    guard name.count < line.count, isName(name) else {
      throw ParseError(format, at: line.startIndex, .encoding, "invalid line; expected NAME: VALUE")
    }
    return String(decoding: name, as: UTF8.self)
  }

  /// Whether it is US-ASCII without blanks, control characters and colons, and does not start with `#` or `-`.
  private static func isName(_ name: some Collection<UInt8>) -> Bool {
    guard let first = name.first, first != UInt8(ascii: "#"), first != UInt8(ascii: "-") else { return false }
    return name.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") }
  }

  /// Field names in file order, as spelled in the file.
  package var names: [String] { fields.map(\.name) }

  package func serialize() -> [UInt8] { before + fields.flatMap(\.bytes) + after }

  private func index(of name: String) -> Int? { Self.index(of: name, in: fields) }

  private static func index(of name: String, in fields: [Field]) -> Int? {
    func folded(_ text: String) -> [UInt8] { text.utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 } }
    let wanted = folded(name)
    return fields.firstIndex { folded($0.name) == wanted }
  }

  /// The value of a field, found by name without regard to case; nil if the field is missing.
  ///
  /// Blanks around the first line and the last line end are removed. Continuation lines keep their leading blank; all
  /// lines are separated by LF.
  package subscript(name: String) -> String? {
    guard let index = index(of: name) else { return nil }
    let field = fields[index]
    var value = field.bytes.dropFirst(field.name.utf8.count + 1).drop(while: Self.isBlank).filter { $0 != 0x0d }[...]
    if value.last == 0x0a { value.removeLast() }
    if !value.contains(0x0a) { while let last = value.last, Self.isBlank(last) { value.removeLast() } }
    return String(decoding: value, as: UTF8.self)
  }

  /// Sets the value of a field in place, or adds the field after `other` or at the end.
  ///
  /// Throws `ParseError` `encoding` for a name or value that would not be read back unchanged: a continuation line must
  /// start with a blank and contain other characters.
  package mutating func set(_ name: String, to value: String, after other: String? = nil) throws(ParseError) {
    let lines = value.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
    let isSound = lines.dropFirst().allSatisfy { line in
      line.first.map(Self.isBlank) == true && line.contains { !Self.isBlank($0) }
    }
    guard Self.isName(name.utf8), isSound, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x0a || $0 == 9 })
    else {
      throw ParseError(
        Self.format, at: 0, .encoding, "invalid name or value of field \(ArchivePath.printable(Array(name.utf8)))")
    }
    let separator = value.utf8.first == 0x0a || value.isEmpty ? ":" : ": "
    let existing = index(of: name)
    let spelled = existing.map { fields[$0].name } ?? name
    let text = lines.map { String(decoding: $0, as: UTF8.self) }.joined(separator: lineEnd)
    let field = Field(name: spelled, bytes: Array("\(spelled)\(separator)\(text)\(lineEnd)".utf8))
    if let existing {
      fields[existing] = field
    } else {
      // The last line of a file may lack its line feed.
      if fields.last?.bytes.last != 0x0a { fields[fields.count - 1].bytes += lineEnd.utf8 }
      fields.insert(field, at: other.flatMap { index(of: $0) }.map { $0 + 1 } ?? fields.count)
    }
  }

  /// Removes a field, if it exists.
  package mutating func remove(_ name: String) {
    if let index = index(of: name) { fields.remove(at: index) }
  }
}

extension ControlStanza {
  /// The fields that identify a package and name its file.
  package struct Identity: Hashable, Sendable {
    package let package: String
    package let version: String
    package let architecture: String

    package init(package: String, version: String, architecture: String) {
      self.package = package
      self.version = version
      self.architecture = architecture
    }

    /// The file name that dpkg-name uses, without the version's epoch.
    package var fileName: String {
      let withoutEpoch = version.utf8.firstIndex(of: UInt8(ascii: ":")).map { version[version.index(after: $0)...] }
      return "\(package)_\(withoutEpoch ?? version[...])_\(architecture).deb"
    }
  }

  /// The package's identity.
  ///
  /// Throws `ParseError` if one of the three fields is missing or violates Debian Policy 5.6.1, 5.6.8 or 5.6.12; file
  /// names are made from them.
  package func identity() throws(ParseError) -> Identity {
    Identity(
      package: try word("Package", also: "+-.", limit: 200), version: try word("Version", also: "+-.~:", limit: 200),
      architecture: try word("Architecture", also: "-", limit: 64))
  }

  private func word(_ name: String, also punctuation: String, limit: Int) throws(ParseError) -> String {
    guard let value = self[name] else {
      throw ParseError(Self.format, at: 0, .truncated, "field \(name) is missing")
    }
    let isWord = value.utf8.allSatisfy { byte in
      Self.isLetterOrDigit(byte) || punctuation.utf8.contains(byte)
    }
    guard let first = value.utf8.first, Self.isLetterOrDigit(first), isWord, value.utf8.count <= limit else {
      let shown = ArchivePath.printable(value.utf8.prefix(limit))
      throw ParseError(Self.format, at: 0, .encoding, "invalid value of field \(name): \(shown)")
    }
    return value
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: false
    }
  }
}
