// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import TestSupport
import Testing

@Suite struct TranslationTableTests {
  /// A catalogue compiled by msgfmt.
  private static func compiled(_ options: [String] = []) throws -> [UInt8] {
    let source = """
      msgid ""
      msgstr "Content-Type: text/plain; charset=UTF-8\\n"
      msgid "image"
      msgstr "Abbild"
      msgid "key"
      msgstr "Schlüssel"
      msgid "keys"
      msgstr "Schlüssel, mehrere"
      msgid "ü"
      msgstr "u with two dots"
      msgid "not yet"
      msgstr ""
      """
    return try ExternalTool("msgfmt").run(options + ["-o", "-", "-"], input: Array(source.utf8))
  }

  @Test(arguments: [[], ["--no-hash"], ["--alignment=16"]])
  func onlyKnownKeysAreTranslated(_ options: [String]) throws {
    let table = try TranslationTable(parsing: Self.compiled(options))
    #expect(table.translation(of: "image") == "Abbild")
    #expect(table.translation(of: "key") == "Schlüssel")
    #expect(table.translation(of: "keys") == "Schlüssel, mehrere")
    #expect(table.translation(of: "ü") == "u with two dots")
    for other in ["", "not yet", "ke", "keyss", "a", "z", "zz", "😀"] { #expect(table.translation(of: other) == nil) }
  }

  @Test func aWrongMagicNumberIsRejected() throws {
    var bytes = try Self.compiled()
    bytes[0] ^= 1
    let error = thrown(ParseError.self) { try TranslationTable(parsing: bytes) }
    #expect(error?.rule == .magic)
    let swapped = try Self.compiled(["--endianness=big"])
    #expect(thrown(ParseError.self) { try TranslationTable(parsing: swapped) }?.rule == .magic)
  }

  @Test func anotherRevisionIsRejected() throws {
    var bytes = try Self.compiled()
    bytes[6] = 1
    #expect(thrown(ParseError.self) { try TranslationTable(parsing: bytes) }?.rule == .unsupported)
  }

  @Test func everyPrefixIsAnError() throws {
    let bytes = try Self.compiled()
    for count in bytes.indices {
      #expect(thrown(ParseError.self) { try TranslationTable(parsing: Array(bytes.prefix(count))) } != nil)
    }
  }

  @Test func damageNeverCrashes() throws {
    let bytes = try Self.compiled()
    for index in bytes.indices {
      for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff] {
        var damaged = bytes
        damaged[index] = value
        guard let table = try? TranslationTable(parsing: damaged) else { continue }
        for key in ["image", "key", "keys", "ü", "zz"] { _ = table.translation(of: key) }
      }
    }
  }
}
