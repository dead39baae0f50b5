// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// The parts of a Swift file that the rules check: its imports, and the declarations visible to other packages.
struct SwiftFile {
  struct Import: Hashable {
    var module: String
    /// The only declaration imported by `import func Module.name`; nil if the whole module is imported.
    var declaration: String?
    var isTestable = false
  }

  /// Relative to the root of the package.
  let path: String
  /// The file name without suffix.
  var name: String { String((path.split(separator: "/").last ?? "").dropLast(".swift".count)) }
  private(set) var imports: [Import] = []
  /// Numbers of lines, from 1, with a `public` or `open` declaration.
  private(set) var publicLines: [Int] = []
  private let content: [UInt8]
  /// The content with a NUL at the end, for the C library, which searches much faster than an unoptimised loop.
  private let terminated: [UInt8]

  init(path: String, content: [UInt8]) {
    self.path = path
    self.content = content
    terminated = content + [0]
    // Few lines contain one of these words, and only those are checked.
    for start in lineStarts(holding: ["import", "public", "open"]) {
      let line = String(decoding: content[start...].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
      let words = Self.words(of: line)
      guard let head = Self.head(words), !isInLiteral(start) else { continue }
      if head.isPublic { publicLines.append(content[..<start].count(where: { $0 == UInt8(ascii: "\n") }) + 1) }
      if let parts = head.imported?.split(separator: "."), let module = parts.first {
        let declaration = parts.dropFirst().first.map { String($0) }
        imports.append(
          Import(module: String(module), declaration: declaration, isTestable: words.contains("@testable")))
      }
    }
  }

  /// Whether the file contains `word` as a whole word.
  func holds(_ word: String) -> Bool {
    places(of: word).contains { place in
      let before = place == 0 ? nil : content[place - 1]
      let end = place + word.utf8.count
      let after = end == content.count ? nil : content[end]
      return ![before, after].contains { $0.map(Self.isPartOfWord) ?? false }
    }
  }

  /// Promise numbers such as `I3` after the word promise or promises.
  var citedPromises: [String] {
    places(of: "romise").flatMap { place in
      let sentence = content[place...].prefix { $0 != UInt8(ascii: ".") }.prefix(24)
      let words = String(decoding: sentence, as: UTF8.self).split { !$0.isLetter && !$0.isNumber }
      let numbers = words.filter { $0.first == "I" && $0.count > 1 && $0.dropFirst().allSatisfy(\.isNumber) }
      return numbers.map { String($0) }
    }
  }

  private static func isPartOfWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
    default: false
    }
  }

  private static let modifiers: Set<String> = [
    "class", "convenience", "dynamic", "fileprivate", "final", "indirect", "infix", "internal", "lazy", "mutating",
    "nonisolated", "nonmutating", "open", "override", "package", "postfix", "prefix", "private", "public", "required",
    "static", "unowned", "weak",
  ]
  private static let declarations: Set<String> = [
    "actor", "associatedtype", "class", "enum", "extension", "func", "import", "init", "let", "macro", "protocol",
    "struct", "subscript", "typealias", "var",
  ]

  /// The declaration in a line; nil if the line does not start with attributes, modifiers and a declaration keyword.
  ///
  /// `imported`, such as `Module` or `Module.name`, is nil unless the keyword is `import`.
  private static func head(_ words: [String]) -> (isPublic: Bool, imported: String?)? {
    let rest = words.drop { $0.hasPrefix("@") || modifiers.contains($0) }
    // A `class` at the end of the modifiers is the keyword itself.
    let leading = words[..<rest.startIndex]
    guard let keyword = rest.first, declarations.contains(keyword) || leading.last == "class" else { return nil }
    let isPublic = leading.contains("public") || leading.contains("open")
    guard keyword == "import" else { return (isPublic, nil) }
    return (isPublic, rest.dropFirst().first { !declarations.contains($0) })
  }

  /// The words at the start of a line, up to a comment; skips brackets and their content.
  private static func words(of line: String) -> [String] {
    var words: [String] = []
    var word = ""
    var depth = 0
    for character in line {
      switch character {
      case "(": depth += 1
      case ")": depth -= 1
      case " ", "\t":
        if depth == 0, !word.isEmpty {
          words.append(word)
          word = ""
        }
      case "/": return words
      default: if depth == 0 { word.append(character) }
      }
    }
    return word.isEmpty ? words : words + [word]
  }

  /// Whether `start` is inside a multi-line literal, that is, after an odd number of `"""`.
  private func isInLiteral(_ start: Int) -> Bool {
    places(of: "\"\"\"").count(where: { $0 < start }) % 2 != 0
  }

  private func lineStarts(holding words: [String]) -> [Int] {
    var starts: Set<Int> = []
    for place in words.flatMap(places) {
      starts.insert(content[..<place].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0)
    }
    return starts.sorted()
  }

  private func places(of word: String) -> [Int] {
    var places: [Int] = []
    terminated.withUnsafeBytes { text in
      guard let start = text.bindMemory(to: CChar.self).baseAddress else { return }
      var next = start
      while let found = strstr(next, word) {
        places.append(found - UnsafeMutablePointer(mutating: start))
        next = UnsafePointer(found) + word.utf8.count
      }
    }
    return places
  }
}
