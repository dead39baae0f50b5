// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import Messages
import TestSupport
import Testing

@Suite struct ControlStanzaTests {
  private static let text = """
    Package: linux-image
    version:  1:6.1-2\u{20}
    Architecture: amd64
    Depends:
     one,
    \ttwo
    Empty:
    Description: short
     long
     .
      verbatim\u{20}

    """

  private static func stanza(_ text: String) throws -> ControlStanza { try ControlStanza(parsing: Array(text.utf8)) }
  private static func text(_ stanza: ControlStanza) -> String { String(decoding: stanza.serialize(), as: UTF8.self) }

  private func rule(_ text: String) -> ParseError.Rule? {
    thrown(ParseError.self) { try Self.stanza(text) }?.rule
  }

  @Test func fieldsAreFoundAndBytesPreserved() throws {
    let stanza = try Self.stanza(Self.text)
    #expect(stanza.names == ["Package", "version", "Architecture", "Depends", "Empty", "Description"])
    #expect(stanza["PACKAGE"] == "linux-image" && stanza["Version"] == "1:6.1-2" && stanza["Empty"] == "")
    #expect(stanza["Depends"] == "\n one,\n\ttwo" && stanza["Description"] == "short\n long\n .\n  verbatim ")
    #expect(stanza["Source"] == nil)
    #expect(Self.text(stanza) == Self.text)
    for variant in [Self.text + "\n\n", "\n" + Self.text, String(Self.text.dropLast())] {
      #expect(try Self.text(Self.stanza(variant)) == variant)
    }
  }

  /// Only the changed fields differ in the file.
  @Test func changesLeaveOtherFieldsAlone() throws {
    var stanza = try Self.stanza(Self.text)
    try stanza.set("Version", to: "7")
    try stanza.set("Provides", to: "this, that", after: "depends")
    try stanza.set("Last", to: "end")
    try stanza.set("Description", to: "new\n text")
    stanza.remove("EMPTY")
    stanza.remove("nothing")
    #expect(
      Self.text(stanza) == """
        Package: linux-image
        version: 7
        Architecture: amd64
        Depends:
         one,
        \ttwo
        Provides: this, that
        Description: new
         text
        Last: end

        """)
    #expect(try ControlStanza(parsing: stanza.serialize()) == stanza)
    var cut = try Self.stanza("A: b")
    try cut.set("C", to: "d")
    #expect(Self.text(cut) == "A: b\nC: d\n")
  }

  @Test(arguments: [
    "x\nInjected: yes", "x\n\nPackage: other", "x\n ", "x\n", "a\u{0}b", "a\rb", "x\n\t \n y", "\u{1b}[0m",
  ]) func valuesThatWouldParseDifferentlyAreRejected(_ value: String) throws {
    var stanza = try Self.stanza(Self.text)
    #expect(thrown(ParseError.self) { try stanza.set("Package", to: value) }?.rule == .encoding)
    #expect(Self.text(stanza) == Self.text)
    #expect(thrown(ParseError.self) { try stanza.set("A:b", to: "x") } != nil)
    #expect(thrown(ParseError.self) { try stanza.set("#A", to: "x") } != nil)
    #expect(thrown(ParseError.self) { try stanza.set("", to: "x") } != nil)
  }

  @Test func invalidStanzasAreRejected() {
    #expect(rule("") == .truncated && rule("\n\n") == .truncated)
    #expect(rule("A: b\n\nC: d\n") == .trailingBytes)
    #expect(rule("A: b\nC: d\na: e\n") == .overlap)
    for text in [
      " A: b\n", "A\n", "A: b\n \nC: d\n", "# no\nA: b\n", "A: b\n#no\n", "-A: b\n", ": b\n", "A b: c\n", "A: b\rc\n",
      "A: b\r",
      "A: \u{0}\n",
    ] {
      #expect(rule(text) == .encoding, "\(text)")
    }
    #expect(rule("A: " + String(repeating: "x", count: 1 << 20)) == .range)
    for count in 0..<Self.text.utf8.count { _ = rule(String(Self.text.prefix(count))) }
  }

  /// dpkg removes blanks, among them CR, at the end of a value.
  @Test func carriageReturnsBeforeLineFeeds() throws {
    let text = Self.text.replacing("\n", with: "\r\n")
    for end in ["", "\r\n"] {
      var stanza = try Self.stanza(text + end)
      #expect(Self.text(stanza) == text + end)
      #expect(stanza["Package"] == "linux-image" && stanza["Description"] == "short\n long\n .\n  verbatim ")
      try stanza.set("Version", to: "7")
      try stanza.set("Description", to: "new\n text")
      #expect(
        Self.text(stanza) == text.replacing("version:  1:6.1-2 ", with: "version: 7")
          .replacing("short\r\n long\r\n .\r\n  verbatim ", with: "new\r\n text") + end)
    }
  }

  @Test(.timeLimit(.minutes(1))) func manyBlanksTakeLinearTime() throws {
    #expect(try Self.stanza("A: b" + String(repeating: " ", count: 1_000_000) + "\n")["A"] == "b")
  }

  @Test func damageNeverCrashes() {
    for damaged in Mutations(of: Array(Self.text.utf8), count: 1000) {
      if let stanza = try? ControlStanza(parsing: damaged) { #expect(stanza.serialize() == damaged) }
    }
  }

  @Test func theIdentityRequiresValidFields() throws {
    let package = try DebScene.package()
    let file = try ScratchFile(package, suffix: ".deb")
    let control = try ExternalTool("dpkg-deb").run(["-f", file.path])
    let identity = try ControlStanza(parsing: control).identity()
    #expect((identity.package, identity.version, identity.architecture) == ("sample", "1:2.3-4", "all"))
    #expect(identity.fileName == "sample_2.3-4_all.deb")
    for (field, value) in [
      ("Package", "../../etc/x"), ("Package", ""), ("Package", "a b"), ("Package", ".hidden"), ("Package", "-o"),
      ("Version", "1/2"), ("Version", "1\n 2"), ("Architecture", "../x"), ("Architecture", "a:b"),
      ("Package", String(repeating: "p", count: 201)), ("Package", "a\u{e9}"),
    ] {
      var stanza = try ControlStanza(parsing: control)
      try stanza.set(field, to: value)
      #expect(thrown(ParseError.self) { try stanza.identity() }?.rule == .encoding, "\(value)")
      stanza.remove(field)
      #expect(thrown(ParseError.self) { try stanza.identity() }?.rule == .truncated)
    }
  }
}
