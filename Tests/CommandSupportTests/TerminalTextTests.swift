// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
internal import Messages
import Testing

@Suite struct TerminalTextTests {
  @Test func controlCharactersAreReplaced() {
    #expect("a\u{1b}[2Jb\r\u{9b}c\n\td\u{7f}é".terminalText == "a?[2Jb??c\n?d?é")
  }

  /// U+202E, the isolates and the marks change the direction of the text around them; U+2028 ends a line.
  @Test func directionsAndInvisibleCharactersAreNotPassedOn() {
    #expect("a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{2028}f\u{200b}g".terminalText == "a?b?c?d?e?f?g")
    #expect("naïve 内核 👍".terminalText == "naïve 内核 👍")
  }

  /// A label must not look like another line of a report.
  @Test func argumentsStayInTheirLine() {
    let label = "x\npve-sb-uki: everything is fine\r\ny"
    let line: Message = "entry \(label)"
    #expect(line.localText == "entry x?pve-sb-uki: everything is fine??y")
    let outer: Message = "\(line): \("\u{202e}evil")"
    #expect(outer.localText == "entry x?pve-sb-uki: everything is fine??y: ?evil")
  }

  @Test func templatesKeepTheirLines() {
    let text: Message = "first \("a\nb")\nsecond"
    #expect(text.localLine == "first a?b\nsecond\n")
  }
}
