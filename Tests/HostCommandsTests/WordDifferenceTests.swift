// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import Testing

@Suite struct WordDifferenceTests {
  @Test(arguments: [
    ("a b", "a b", [], [], false), ("a  b ", " a\tb", [], [], false), ("a b", "a c", ["c"], ["b"], false),
    ("a b", "b a", [], [], true), ("a", "a a", ["a"], [], false), ("a a b", "a b", [], ["a"], false),
    ("", "x", ["x"], [], false), ("a b c", "c x a", ["x"], ["b"], true),
    ("x=\"a b\"", "x=\"a  b\"", ["x=\"a  b\""], ["x=\"a b\""], false),
  ])
  func wordsAreCompared(old: String, new: String, added: [String], missing: [String], isReordered: Bool) {
    let difference = WordDifference(from: old, to: new)
    #expect(difference.added == added && difference.missing == missing && difference.isReordered == isReordered)
    #expect(difference.isEmpty == (added.isEmpty && missing.isEmpty && !isReordered))
  }
}
