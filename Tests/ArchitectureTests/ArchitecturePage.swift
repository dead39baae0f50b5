// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The parsed `docs/architecture.md`: the table of layers, whose header starts with `| layer |`, that of targets, whose
/// header starts with `| target |`, that of promises, whose header ends with `| tests |`, and the targets of links.
struct ArchitecturePage {
  static let path = "docs/architecture.md"

  /// A row `| [Name](../Path) | layer | purpose | touches |` of the table of targets.
  ///
  /// The last cell names in backquotes the modules that the target imports from outside the package and from the C
  /// layer. If the target needs only some declarations of a module, they follow in brackets. After "never" it names
  /// modules that the target must not reach, directly or indirectly.
  struct Row {
    struct Module: Hashable {
      var name: String
      /// The declarations that the target uses; empty if not restricted.
      var uses: [String] = []
    }

    var target: String
    var path: String
    var layer: String
    var touches: [Module] = []
    var never: [String] = []
  }

  /// From the bottom to the top.
  private(set) var layers: [String] = []
  /// In the order of the table: a target imports only targets above it.
  private(set) var rows: [Row] = []
  /// The numbers of the promises, such as `I3`.
  private(set) var promises: [String] = []
  /// The tests of the promises, named in backquotes.
  private(set) var citedTests: [String] = []
  /// Relative to the page's directory.
  private(set) var links: [String] = []

  init(parsing text: String) {
    links = MarkdownLink.all(in: text).map(\.target)
    for table in MarkdownTable.all(in: text) {
      switch table.header.first {
      case "layer": layers += table.rows.compactMap { $0.first.map(Self.plain) }
      case "target": rows += table.rows.compactMap(Self.row)
      case _ where table.header.last == "tests":
        promises += table.rows.compactMap { $0.first.map(Self.plain) }
        citedTests += table.rows.compactMap(\.last).flatMap(Self.quoted)
      default: break
      }
    }
  }

  private static func row(_ cells: [String]) -> Row? {
    guard cells.count >= 4 else { return nil }
    let link = MarkdownLink.all(in: cells[0]).first
    var row = Row(target: link?.text ?? plain(cells[0]), path: link?.target ?? "", layer: plain(cells[1]))
    if row.path.hasPrefix("../") { row.path.removeFirst(3) }
    // After a split at each backquote, every other piece is a name; the piece after it may contain "never" or its uses.
    let pieces = cells[3].split(separator: "`", omittingEmptySubsequences: false).map(String.init)
    var isForbidden = false
    for index in pieces.indices {
      if index % 2 == 0 {
        if pieces[index].split(separator: " ").contains("never") { isForbidden = true }
      } else if isForbidden {
        row.never.append(pieces[index])
      } else {
        row.touches.append(
          Row.Module(name: pieces[index], uses: index + 1 < pieces.count ? uses(pieces[index + 1]) : []))
      }
    }
    return row
  }

  private static func quoted(in cell: String) -> [String] {
    let pieces = cell.split(separator: "`", omittingEmptySubsequences: false)
    return pieces.indices.filter { $0 % 2 != 0 }.map { String(pieces[$0]) }
  }

  private static func uses(_ text: String) -> [String] {
    guard text.hasPrefix(" (") else { return [] }
    return text.dropFirst(2).prefix { $0 != ")" }.split { $0 == "," || $0 == " " }.map(String.init)
  }

  private static func plain(_ cell: String) -> String { String(cell.filter { $0 != "`" && $0 != "*" }) }
}

/// A link `[text](target)`.
struct MarkdownLink {
  var text: String
  var target: String

  static func all(in source: String) -> [MarkdownLink] {
    var links: [MarkdownLink] = []
    var rest = source[...]
    while let start = rest.firstIndex(of: "["), let end = rest[start...].firstIndex(of: "]") {
      let text = rest[start..<end].dropFirst().filter { $0 != "`" }
      rest = rest[end...].dropFirst()
      guard rest.first == "(", let close = rest.firstIndex(of: ")") else { continue }
      links.append(MarkdownLink(text: String(text), target: String(rest[..<close].dropFirst())))
      rest = rest[close...]
    }
    return links
  }
}

/// A Markdown table: lines that start with a bar.
struct MarkdownTable {
  var header: [String]
  var rows: [[String]] = []

  static func all(in text: String) -> [MarkdownTable] {
    var tables: [MarkdownTable] = []
    var isInTable = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("|") else {
        isInTable = false
        continue
      }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map(trimmed)
      if !isInTable {
        tables.append(MarkdownTable(header: cells))
      } else if !cells.allSatisfy({ $0.allSatisfy { $0 == "-" || $0 == ":" } }) {
        tables[tables.count - 1].rows.append(cells)
      }
      isInTable = true
    }
    return tables
  }

  private static func trimmed(_ text: Substring) -> String {
    let text = text.drop { $0 == " " }
    return String(
      text.prefix((text.lastIndex { $0 != " " }).map { text.distance(from: text.startIndex, to: $0) + 1 } ?? 0))
  }
}
