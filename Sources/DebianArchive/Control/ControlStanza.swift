// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The one paragraph of a package's control file (deb822(5)): fields in their order, each with the bytes that it came
/// with.
///
/// What is not changed is written back as it was.
package struct ControlStanza: Hashable, Sendable {
  fileprivate struct Field: Hashable, Sendable {
    var name: String
    /// From the name's first byte to the last line feed.
    var bytes: [UInt8]
  }

  private var fields: [Field]
  /// Blank lines before and after.
  private let before: [UInt8]
  private let after: [UInt8]

  static let format = "control file"
  private static let sizeLimit = 1 << 20
  /// dpkg knows some thirty.
  private static let fieldLimit = 250

  /// Throws `ParseError` unless it is a single paragraph, and for a field that is there twice, comments and control
  /// characters.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    guard bytes.count <= Self.sizeLimit else {
      throw ParseError(Self.format, at: 0, .range, "it has \(bytes.count) bytes, more than any package's")
    }
    if let stray = bytes.firstIndex(where: { $0 < 0x20 && $0 != 0x0a && $0 != 0x09 || $0 == 0x7f }) {
      throw ParseError(Self.format, at: stray, .encoding, "there is a control character in it")
    }
    let start: Int = bytes.firstIndex { $0 != 0x0a } ?? bytes.endIndex
    before = Array(bytes[..<start])
    var fields: [Field] = []
    var rest = bytes[start...]
    while let line = Self.line(of: rest), !line.allSatisfy({ $0 == 0x0a }) {
      if Self.isBlank(line[line.startIndex]) {
        guard !fields.isEmpty, line.contains(where: { !Self.isBlank($0) && $0 != 0x0a }) else {
          throw ParseError(Self.format, at: line.startIndex, .encoding, "a line of blanks, or one that continues none")
        }
        fields[fields.count - 1].bytes += line
      } else {
        let name = try Self.name(of: line)
        guard Self.index(of: name, in: fields) == nil else {
          throw ParseError(Self.format, at: line.startIndex, .overlap, "the field \(name) is there twice")
        }
        guard fields.count < Self.fieldLimit else {
          throw ParseError(Self.format, at: line.startIndex, .range, "it has more than \(Self.fieldLimit) fields")
        }
        fields.append(Field(name: name, bytes: Array(line)))
      }
      rest = rest[line.endIndex...]
    }
    after = Array(rest)
    self.fields = fields
    guard !fields.isEmpty else { throw ParseError(Self.format, at: start, .truncated, "it has no field") }
    if let second = rest.firstIndex(where: { $0 != 0x0a }) {
      throw ParseError(Self.format, at: second, .trailingBytes, "it has more than one paragraph")
    }
  }

  /// With its line feed.
  private static func line(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard !bytes.isEmpty else { return nil }
    return bytes.firstIndex(of: 0x0a).map { bytes[...$0] } ?? bytes
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  private static func name(of line: ArraySlice<UInt8>) throws(ParseError) -> String {
    let name = line.prefix { $0 != UInt8(ascii: ":") }
    guard name.count < line.count, isName(name) else {
      throw ParseError(format, at: line.startIndex, .encoding, "a line is no field")
    }
    return String(decoding: name, as: UTF8.self)
  }

  /// US-ASCII without blanks, controls and colons; `#` and `-` do not begin it.
  private static func isName(_ name: some Collection<UInt8>) -> Bool {
    guard let first = name.first, first != UInt8(ascii: "#"), first != UInt8(ascii: "-") else { return false }
    return name.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") }
  }

  /// Names of fields in their order, as they are spelled.
  package var names: [String] { fields.map(\.name) }

  package func serialize() -> [UInt8] { before + fields.flatMap(\.bytes) + after }

  private func index(of name: String) -> Int? { Self.index(of: name, in: fields) }

  private static func index(of name: String, in fields: [Field]) -> Int? {
    func folded(_ text: String) -> [UInt8] { text.utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 } }
    let wanted = folded(name)
    return fields.firstIndex { folded($0.name) == wanted }
  }

  /// The value of a field, by its name in upper or lower case: without blanks around the first line and the last line
  /// feed; lines that continue it as they stand, with the blank that begins them.
  ///
  /// Nil if there is none.
  package subscript(name: String) -> String? {
    guard let index = index(of: name) else { return nil }
    let field = fields[index]
    var value = field.bytes.dropFirst(field.name.utf8.count + 1).drop(while: Self.isBlank)
    if value.last == 0x0a { value.removeLast() }
    while let last = value.last, Self.isBlank(last), !value.contains(0x0a) { value.removeLast() }
    return String(decoding: value, as: UTF8.self)
  }

  /// Gives a field a value, in place, or adds the field behind the one named, or at the end.
  ///
  /// Throws `ParseError` `encoding` for a name or value that would not be read back as it was: a line that continues
  /// one begins with a blank and has more.
  package mutating func set(_ name: String, to value: String, after other: String? = nil) throws(ParseError) {
    let lines = value.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
    let isSound = lines.dropFirst().allSatisfy { line in
      line.first.map(Self.isBlank) == true && line.contains { !Self.isBlank($0) }
    }
    guard Self.isName(name.utf8), isSound, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x0a || $0 == 9 })
    else {
      throw ParseError(
        Self.format, at: 0, .encoding, "\(ArchivePath.printable(Array(name.utf8))) cannot have this value")
    }
    let separator = value.utf8.first == 0x0a || value.isEmpty ? ":" : ": "
    let existing = index(of: name)
    let spelled = existing.map { fields[$0].name } ?? name
    let field = Field(name: spelled, bytes: Array("\(spelled)\(separator)\(value)\n".utf8))
    if let existing {
      fields[existing] = field
    } else {
      // The last line of a file may lack its end.
      if fields.last?.bytes.last != 0x0a { fields[fields.count - 1].bytes.append(0x0a) }
      fields.insert(field, at: other.flatMap { index(of: $0) }.map { $0 + 1 } ?? fields.count)
    }
  }

  /// Removes a field, if there is one.
  package mutating func remove(_ name: String) {
    if let index = index(of: name) { fields.remove(at: index) }
  }
}

extension ControlStanza {
  /// What names a package and its file.
  package struct Identity: Hashable, Sendable {
    package let package: String
    package let version: String
    package let architecture: String

    package init(package: String, version: String, architecture: String) {
      self.package = package
      self.version = version
      self.architecture = architecture
    }

    /// The name that dpkg-name gives: without the version's epoch.
    package var fileName: String {
      let withoutEpoch = version.utf8.firstIndex(of: UInt8(ascii: ":")).map { version[version.index(after: $0)...] }
      return "\(package)_\(withoutEpoch ?? version[...])_\(architecture).deb"
    }
  }

  /// Throws `ParseError` if one of the three fields is missing or not what Debian Policy 5.6.1, 5.6.8 and 5.6.12 let it
  /// be; file names are made from them.
  package func identity() throws(ParseError) -> Identity {
    Identity(
      package: try word("Package", also: "+-.", limit: 200), version: try word("Version", also: "+-.~:", limit: 200),
      architecture: try word("Architecture", also: "-", limit: 64))
  }

  private func word(_ name: String, also punctuation: String, limit: Int) throws(ParseError) -> String {
    guard let value = self[name] else {
      throw ParseError(Self.format, at: 0, .truncated, "it has no field \(name)")
    }
    let isWord = value.utf8.allSatisfy { byte in
      Self.isLetterOrDigit(byte) || punctuation.utf8.contains(byte)
    }
    guard let first = value.utf8.first, Self.isLetterOrDigit(first), isWord, value.utf8.count <= limit else {
      let shown = ArchivePath.printable(value.utf8.prefix(limit))
      throw ParseError(Self.format, at: 0, .encoding, "the field \(name) cannot be \(shown)")
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
