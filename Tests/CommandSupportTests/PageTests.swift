// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
internal import Messages
import Testing

@Suite struct PageTests {
  private static let long: Message = "the UKI of kernel 6.8.12-10-pve is stale on 1111-AAA1, missing on 2222-BBB2"

  @Test func linesFitThePage() {
    for width in [40, 60, 80] {
      let text = Page(width: width).text(of: [Page.Section("Attention", [Self.long, Self.long])])
      let lines = text.split(separator: "\n")
      #expect(lines.allSatisfy { $0.count <= width } && lines.count > 2)
      #expect(text.split(whereSeparator: \.isWhitespace).filter { $0 == "stale" }.count == 2)
    }
  }

  @Test func aNarrowTerminalKeepsFortyColumns() {
    #expect(Page(width: 7).width == 40)
  }

  @Test func aCommandStaysOnOneLine() {
    let command: Message =
      "dkms build --force -k 6.8.12-10-pve hello/1.0 && dkms install --force -k 6.8.12-10-pve hello/1.0"
    let text = Page().text(of: [Page.Section("Next", [command], .bold, isWrapped: false)])
    #expect(text == "Next          \(command)\n")
  }

  @Test func onlyAColouredPageHasEscapeSequences() {
    let sections = [Page.Section("Next", ["nothing to do"], .green), Page.Section("Empty", [])]
    #expect(Page().text(of: sections) == "Next          nothing to do\n")
    #expect(Page(isColored: true).text(of: sections) == "Next          \u{1b}[32mnothing to do\u{1b}[0m\n")
  }

  /// A name with control characters cannot paint the screen.
  @Test func dataCannotColourThePage() {
    let text = Page(isColored: true).text(of: [Page.Section("ESP", [Message(verbatim: "a\u{1b}[31mb\nc")])])
    #expect(text == "ESP           a?[31mb?c\n")
  }
}
