// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import TestSupport
import Testing

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

@Suite struct JSONParserTests {
  private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }
  private func rule(_ text: [UInt8]) -> ParseError.Rule? {
    thrown(ParseError.self) { try JSONValue(parsing: text) }?.rule
  }

  @Test func valuesAreRead() throws {
    let document = try parse(
      """
       {"a": [1, -2.5e+3, 0, true, false, null, {}, []],
      "b\\n\\u00e9\\ud83d\\ude00\\/": "x\\\\\\"é"}\t
      """)
    let numbers: [JSONValue] = [.number("1"), .number("-2.5e+3"), .number("0")]
    #expect(document["a"]?.array == numbers + [.boolean(true), .boolean(false), .null, .object([:]), .array([])])
    #expect(document["b\né😀/"]?.string == "x\\\"é")
    #expect(document["c"] == nil && document.string == nil && document.object?.count == 2)
    #expect(try parse("\"\"") == .string("") && parse("null")["a"] == nil)
  }

  @Test(arguments: [
    ("", "truncated"), ("{", "truncated"), ("\"a", "truncated"), ("[1,", "truncated"), ("\"\\u12\"", "truncated"),
    ("1 2", "trailing bytes"), ("{}{}", "trailing bytes"), ("01", "trailing bytes"),
    ("{\"a\":1,\"a\":2}", "overlap"), ("{\"a\" 1}", "syntax"), ("{a:1}", "syntax"), ("[1,]", "syntax"),
    ("{\"a\":1,}", "syntax"), ("[1 2]", "syntax"), ("nul", "syntax"), ("+1", "syntax"), ("-", "syntax"),
    ("1.", "syntax"), ("1e", "syntax"), (".5", "syntax"), ("\"\t\"", "syntax"), ("\"\\x\"", "syntax"),
    ("\"\\u12g4\"", "syntax"), ("'a'", "syntax"), ("// a\n1", "syntax"), ("NaN", "syntax"),
    ("\"\\ud83d\"", "encoding"), ("\"\\ude00\"", "encoding"), ("\"\\ud83d\\u0041\"", "encoding"),
  ])
  func invalidDocumentsAreRejected(text: String, expected: String) throws {
    #expect(rule(Array(text.utf8)) == ParseError.Rule(expected))
    // Python's parser agrees.
    let python = "import json, sys; json.loads(sys.argv[1], object_pairs_hook=lambda p: 1 / (len(p) == len(dict(p))))"
    let isLax = ["NaN", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\""].contains(text)
    #expect(try ExternalTool("python3").result(["-c", python, text]).status == (isLax ? 0 : 1))
  }

  @Test func depthAndEncodingAreChecked() throws {
    func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
    #expect(try parse(nested(JSONValue.depthLimit)).array?.count == 1)
    #expect(rule(Array(nested(JSONValue.depthLimit + 1).utf8)) == .range)
    #expect(rule([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)) == .range)
    #expect(rule(Array("\"".utf8) + [0xff] + Array("\"".utf8)) == .encoding)
  }

  @Test func truncationAndDamageNeverCrash() throws {
    let text = Array(
      "{\"packages\": {\"a\": {\"files\": [{\"sig_type\": \"efi\", \"file\": \"b\"}], \"n\": -1.5e3}}}".utf8)
    for count in 0..<text.count { #expect(rule(Array(text[..<count])) != nil) }
    for damaged in Mutations(of: text, count: 2000) { _ = try? JSONValue(parsing: damaged) }
  }
}
