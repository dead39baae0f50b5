// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import TestSupport
import Testing

/// Expected values were derived by hand from `next_arg` of Linux 6.12 (lib/cmdline.c).
@Suite struct CommandLineWordTests {
  @Test(arguments: [
    ("", []), ("  \t ", []), ("a", ["a"]), (" a  b\tc ", ["a", "b", "c"]),
    ("a=\"b c\" d", ["a=\"b c\"", "d"]), ("\"a b\" c", ["\"a b\"", "c"]), ("\"a=b c\" d", ["\"a=b c\"", "d"]),
    ("a\"b c\"d e", ["a\"b c\"d", "e"]), ("a=\"b c d", ["a=\"b c d"]), ("a\\\" b\"", ["a\\\" b\""]),
    ("dyndbg=\"file a.c +p; file b.c +p\" x=1", ["dyndbg=\"file a.c +p; file b.c +p\"", "x=1"]),
  ])
  func quotedWhiteSpaceDoesNotSplitWords(line: String, wanted: [String]) {
    #expect(CommandLineWord.split(line).map(\.text) == wanted)
  }

  /// The first argument may be a line; further ones are words.
  @Test(arguments: [
    (["a", "x=a b"], "a x=\"a b\"", 1), (["x=a b"], "x=a b", 0),
    (["root=/dev/sda1 ro", "quiet"], "root=/dev/sda1 ro quiet", 0),
    (["a", "b c"], "a \"b c\"", 1), (["a", "x y=z"], "a \"x y=z\"", 1),
    (["a", "x=b\tc", "", " d "], "a x=\"b\tc\" d", 1),
    (["a", "x=\"b c\""], "a x=\"b c\"", 0),
    (["a", "dyndbg=file a.c +p; file b.c +p"], "a dyndbg=\"file a.c +p; file b.c +p\"", 1),
    ([], "", 0), ([" a "], "a", 0),
  ])
  func argumentsBecomeWords(arguments: [String], line: String, quoted: Int) throws {
    let (text, words) = try CommandLineText.line(of: arguments)
    #expect(text == line && words.count == quoted)
  }

  @Test(arguments: ["x=\"a b\" c", "x=a \"b"]) func aWordWithSpacesAndAQuotationMarkIsRejected(argument: String) {
    #expect(thrown(BootEnvironmentError.self) { try CommandLineText.line(of: ["a", argument]) }?.hint != nil)
  }

  @Test(
    arguments: [
      ("a", "a", nil), ("a=", "a", ""), ("a=b=c", "a", "b=c"), ("a-b=c-d", "a_b", "c-d"),
      ("a=\"b c\"", "a", "b c"), ("\"a=b c\"", "a", "b c"), ("\"a b\"", "a b", nil), ("=a", "=a", nil),
      ("a=\"b\"c", "a", "b\"c"), ("root=UUID=\"x\"", "root", "UUID=\"x\""), ("\"a-b\"", "a_b", nil),
      ("a=\"", "a", ""), ("\"", "", nil),
    ] as [(String, String, String?)])
  func nameAndValueMatchTheKernelsParser(text: String, name: String, value: String?) throws {
    let word = try #require(CommandLineWord.split(text).first)
    #expect(word.name == name && word.value == value)
  }
}
