// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import TestSupport
import Testing

@Suite struct TerminalTextTests {
  @Test func aTerminalIsToldNothing() {
    #expect("a\u{1b}[2Jb\r\u{9b}c\n\td\u{7f}é".terminalText == "a?[2Jb??c\n?d?é")
  }
}

@Suite struct JSONValueTests {
  static let document: JSONValue = [
    "b": [1, -2, true, false], "a": ["x": [:], "y": []], "none": .null,
    "text": "quote \" back \\ line \n tab \t bell \u{7} escape \u{1b}[31m delete \u{7f} é 😀",
  ]

  @Test func membersAreSortedAndIndented() {
    let value: JSONValue = ["b": [1, true], "a": .null, "c": [:]]
    #expect(value.serialize() == "{\n  \"a\": null,\n  \"b\": [\n    1,\n    true\n  ],\n  \"c\": {}\n}\n")
  }

  @Test func controlCharactersNeverReachTheTerminal() {
    let text = Self.document.serialize()
    #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 && !(0x7f...0x9f ~= $0.value) })
  }

  @Test func perlReadsTheSameDocument() throws {
    let program = "print JSON::PP->new->canonical->ascii->encode(decode_json($_))"
    let answer = try ExternalTool("perl").run(
      ["-MJSON::PP", "-0777", "-ne", program], input: Array(Self.document.serialize().utf8))
    let text = #""quote \" back \\ line \n tab \t bell \u0007 escape \u001b[31m delete "# + "\u{7f}"
    let expected =
      #"{"a":{"x":{},"y":[]},"b":[1,-2,true,false],"none":null,"text":"# + text + #" \u00e9 \ud83d\ude00"}"#
    #expect(String(decoding: answer, as: UTF8.self) == expected)
  }

  @Test func absentValuesAreNull() {
    #expect(JSONValue(nil as String?) == .null)
    #expect(JSONValue(nil as Int?) == .null)
    #expect(JSONValue(nil as Bool?) == .null)
    #expect(JSONValue(["a"]) == .array([.string("a")]))
  }
}
