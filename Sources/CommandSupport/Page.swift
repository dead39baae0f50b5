// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
package import Messages

/// A page of titles in the left margin with texts beside them, wrapped for the terminal.
package struct Page: Sendable {
  /// How a section is shown on a terminal with colours.
  package enum Style: String, Sendable {
    case plain = ""
    case bold = "1"
    case red = "1;31"
    case green = "32"
    case yellow = "33"
  }

  package struct Section: Sendable {
    package var title: Message
    package var lines: [Message]
    package var style: Style
    /// False for commands, which are pasted as they are shown.
    package var isWrapped: Bool

    package init(_ title: Message, _ lines: [Message], _ style: Style = .plain, isWrapped: Bool = true) {
      self.title = title
      self.lines = lines
      self.style = style
      self.isWrapped = isWrapped
    }
  }

  /// Columns.
  package var width: Int
  package var isColored: Bool

  package init(width: Int = 80, isColored: Bool = false) {
    self.width = max(width, Self.leastWidth)
    self.isColored = isColored
  }

  private static let leastWidth = 40

  /// The sections that have lines.
  package func text(of sections: [Section]) -> String {
    let shown = sections.filter { !$0.lines.isEmpty }.map { ($0, $0.title.localText) }
    // Other languages may need wider titles.
    let margin = shown.reduce(14) { max($0, $1.1.count + 2) }
    return shown.map { section, title in
      let texts = section.lines.map(\.localText)
      let lines = section.isWrapped ? texts.flatMap { wrapped($0, width - margin) } : texts
      return lines.enumerated().map { index, text in
        let head = index == 0 ? title : ""
        return head + String(repeating: " ", count: margin - head.count) + painted(text, section.style) + "\n"
      }.joined()
    }.joined()
  }

  /// The text in a colour, if the page has colours.
  package func painted(_ text: String, _ style: Style) -> String {
    guard isColored, style != .plain else { return text }
    return "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m"
  }

  /// A text in lines that fit the page, `margin` columns from the left.
  package func lines(_ text: Message, margin: Int = 0, _ style: Style = .plain) -> [String] {
    let start = String(repeating: " ", count: margin)
    return wrapped(text.localText, width - margin).map { start + painted($0, style) }
  }

  /// The lines of a text that is wrapped at spaces; words that are too long stay whole, so that they can be pasted.
  private func wrapped(_ text: String, _ width: Int) -> [String] {
    guard text.count > width else { return [text] }
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = "  "
      } else if !line.isEmpty, line != "  " {
        line += " "
      }
      line += word
    }
    return lines + [line]
  }
}
