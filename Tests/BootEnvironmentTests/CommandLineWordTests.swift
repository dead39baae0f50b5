// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
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
