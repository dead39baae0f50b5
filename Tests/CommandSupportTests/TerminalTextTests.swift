// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import Testing

@Suite struct TerminalTextTests {
  @Test func controlCharactersAreReplaced() {
    #expect("a\u{1b}[2Jb\r\u{9b}c\n\td\u{7f}é".terminalText == "a?[2Jb??c\n?d?é")
  }
}
