// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianPackage
import TestSupport
import Testing

@Suite struct DebianVersionTests {
  /// Examples from Policy, kernel releases and edge cases.
  private static let texts = [
    "", "0", "00", "1", "1.0", "1.00", "01.0", "0:1.0", "1:0.9", "2:0", "1.0-0", "1.0-1", "1.0-1.1", "1.0~rc1",
    "1.0~~", "1.0~~a", "1.0~", "1.0a", "1.0+b1", "1.0.1", "1.0-1~bpo12+1", "1.0-10", "1.0-9", "1.a", "1.", "1.-1",
    "6.1.0-56-amd64", "6.1.0-9-amd64", "6.1.0-56-rt-amd64", "6.8.12-10-pve", "6.8.12-9-pve", "6.8.12-pve",
    "7.0.14-14-pve", "6.12.48+deb13-amd64", "18446744073709551616", "99999999999999999999999", "1.0-1-2", "1:2:3",
  ]

  /// One shell run for all pairs; discards dpkg's warnings about invalid versions.
  @Test func orderMatchesDpkg() throws {
    let script = """
      set --; while IFS= read -r a; do IFS= read -r b
      if dpkg --compare-versions "$a" lt-nl "$b" 2>/dev/null; then echo lt
      elif dpkg --compare-versions "$a" eq "$b" 2>/dev/null; then echo eq; else echo gt; fi; done
      """
    let texts = Self.texts.filter { !$0.isEmpty && $0 != "1:2:3" && $0 != "1.-1" }
    let pairs = texts.indices.flatMap { left in texts[left...].map { (texts[left], $0) } }
    let input = pairs.map { "\($0)\n\($1)\n" }.joined()
    let answer = try ExternalTool("sh").run(["-c", script], input: Array(input.utf8))
    let lines = String(decoding: answer, as: UTF8.self).split(separator: "\n")
    try #require(lines.count == pairs.count)
    for ((left, right), line) in zip(pairs, lines) {
      let (one, other) = (DebianVersion(left), DebianVersion(right))
      #expect((one < other ? "lt" : one == other ? "eq" : "gt") == line, "\(left) against \(right)")
    }
  }

  @Test func orderIsTotal() {
    let versions = Self.texts.map { DebianVersion($0) }
    for left in versions {
      for right in versions {
        #expect([left < right, left == right, right < left].count { $0 } == 1)
      }
    }
  }

  @Test func tildesSortAsInDebianPolicy() {
    let wanted = ["~~", "~~a", "~", "", "a"]
    #expect(wanted.reversed().sorted { DebianVersion($0) < DebianVersion($1) } == wanted)
  }
}
