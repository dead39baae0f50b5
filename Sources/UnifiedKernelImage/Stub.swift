// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages
package import PortableExecutable

/// systemd-stub, the EFI program that a UKI is based on.
///
/// Its version is read from `.sdmagic`, the sections that it supports from its strings. Debian 12's stub for arm64 has
/// neither `.sdmagic` nor `.sbat` as sections: their content is in the file after its last section, where firmware does
/// not load it. Its `bytes` end with the last section.
package struct Stub: Sendable {
  package let name: String
  package let header: PEHeader
  package let bytes: [UInt8]
  /// The version as in `LoaderInfo`: `systemd-stub 257.13-1~deb13u1`.
  package let version: String
  /// The content of `.sdmagic`.
  let magic: [UInt8]
  /// The stub's own SBAT data; nil if it has none.
  package let sbat: [UInt8]?

  /// Maximum size of a stub in bytes; systemd's have 83 to 151 KiB.
  package static let sizeLimit = 8 << 20

  /// Parses a stub.
  ///
  /// Throws `ImageError` if it is not a stub or is malformed.
  package init(parsing input: NamedInput) throws {
    name = input.name
    let file = try input.contents(limit: Self.sizeLimit, of: .stub)
    let whole = try input.parsed(.stub) { try PEHeader(parsing: file) }
    guard whole.section(named: SectionName.linux) == nil else {
      throw ImageError(.stub, "\(name) is a UKI, not a stub", hint: "specify the stub with --stub")
    }
    func content(_ section: String) -> [UInt8]? { whole.section(named: section).map { Array(file[$0.contentRange]) } }
    if let section = content(SectionName.stubMagic) {
      (bytes, header, magic, sbat) = (file, whole, section, content(SectionName.sbat))
    } else {
      let rest = file[whole.endOfSections...]
      bytes = Array(file[..<whole.endOfSections])
      header = try input.parsed(.stub) { [bytes] in try PEHeader(parsing: bytes) }
      magic = rest.text(startingWith: Self.magicStart) ?? []
      sbat = content(SectionName.sbat) ?? rest.text(startingWith: Self.sbatStart)
    }
    guard let version = Self.version(in: magic) else {
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

  /// Whether the stub supports this section: its strings then contain the name, terminated by NUL.
  package func knows(_ section: String) -> Bool {
    let needle = Array(section.utf8) + [0]
    return header.sections.contains { bytes[$0.fileRange].contains(bytes: needle) }
  }

  private static let magicStart = Array("#### LoaderInfo: ".utf8)
  private static let sbatStart = Array("sbat,".utf8)

  /// Extracts program and version from a text such as `#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####`.
  private static func version(in magic: [UInt8]) -> String? {
    let text = String(decoding: magic.prefix { $0 != 0 }, as: UTF8.self)
    let words = text.split(separator: " ")
    guard words.count >= 4, words.first == "####", words[1] == "LoaderInfo:", words.last == "####" else { return nil }
    guard words[2] == "systemd-stub" else { return nil }
    return words[2..<words.count - 1].joined(separator: " ")
  }
}

extension ArraySlice<UInt8> {
  /// The first text between two NUL that starts with `start`.
  fileprivate func text(startingWith start: [UInt8]) -> [UInt8]? {
    firstRest(startingWith: [0] + start).map { Array($0.dropFirst().prefix { $0 != 0 }) }
  }
}
