// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

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

  /// Throws `ParseError` if one of the three fields is missing or not what Debian Policy 5.6.1, 5.6.8 and 5.6.12 let it be;
  /// file names are made from them.
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
