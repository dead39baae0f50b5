// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import TestSupport
import Testing

@Suite struct ShellTextTests {
  /// A shell reads the word as it was.
  @Test(arguments: ["status", "--root=/mnt", "", "it's", "a b", "$(reboot)", "x;y", "é", "a\nb", "'", "`id`", "*"])
  func aWordIsOneWordOfAShell(_ word: String) throws {
    let quoted = word.shellWord
    #expect(try ExternalTool("sh").run(["-c", "printf %s \(quoted)"]) == Array(word.utf8))
    #expect((quoted == word) == ["status", "--root=/mnt", "é"].contains(word))
  }
}
