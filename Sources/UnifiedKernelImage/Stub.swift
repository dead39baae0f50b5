// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages
package import PortableExecutable

/// systemd-stub, the EFI program that a UKI is based on.
///
/// Its version is read from `.sdmagic`, the sections that it supports from its strings.
package struct Stub: Sendable {
  package let name: String
  package let header: PEHeader
  package let bytes: [UInt8]
  /// The version as in `LoaderInfo`: `systemd-stub 257.13-1~deb13u1`.
  package let version: String

  /// Maximum size of a stub in bytes; systemd's have 83 to 151 KiB.
  package static let sizeLimit = 8 << 20

  /// Parses a stub.
  ///
  /// Throws `ImageError` if it is not a stub or is malformed.
  package init(parsing input: NamedInput) throws {
    name = input.name
    bytes = try input.contents(limit: Self.sizeLimit, of: .stub)
    header = try input.parsed(.stub) { [bytes] in try PEHeader(parsing: bytes) }
    guard header.section(named: SectionName.linux) == nil else {
      throw ImageError(.stub, "\(name) is a UKI, not a stub", hint: "specify the stub with --stub")
    }
    guard let magic = header.section(named: SectionName.stubMagic), let version = Self.version(in: bytes, magic) else {
      throw ImageError(
        .stub, "\(name) is not systemd-stub",
        hint: "use /usr/lib/systemd/boot/efi/linux*.efi.stub from the package systemd-boot-efi")
    }
    self.version = version
    try input.parsed(.stub) { [header] in
      try header.requireStartable()
      try header.requireSeparateMemory()
    }
  }

  /// The stub's own SBAT data; nil if it has none.
  package var sbat: [UInt8]? {
    header.section(named: SectionName.sbat).map { Array(bytes[$0.contentRange]) }
  }

  /// Whether the stub supports this section: its strings then contain the name, terminated by NUL.
  package func knows(_ section: String) -> Bool {
    let needle = Array(section.utf8) + [0]
    return header.sections.contains { bytes[$0.fileRange].contains(needle) }
  }

  /// Extracts program and version from a text such as `#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####`.
  private static func version(in bytes: [UInt8], _ section: SectionHeader) -> String? {
    let text = String(decoding: bytes[section.contentRange].prefix { $0 != 0 }, as: UTF8.self)
    let words = text.split(separator: " ")
    guard words.count >= 4, words.first == "####", words[1] == "LoaderInfo:", words.last == "####" else { return nil }
    guard words[2] == "systemd-stub" else { return nil }
    return words[2..<words.count - 1].joined(separator: " ")
  }
}

extension ArraySlice<UInt8> {
  /// Whether `needle` occurs; it must not be empty.
  fileprivate func contains(_ needle: [UInt8]) -> Bool {
    guard let first = needle.first, count >= needle.count else { return false }
    var rest = self
    while let start = rest.firstIndex(of: first) {
      rest = rest[start...]
      if rest.starts(with: needle) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}
