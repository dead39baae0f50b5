// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The targets of `Package.swift`, parsed from its text, since SwiftPM takes seconds and may need the network.
///
/// Expects the style of this project: each target is one call such as `.target(name: "…", dependencies: […], path:
/// "…")` with string literals.
struct PackageManifest {
  struct Target: Equatable {
    enum Kind: String {
      case systemLibrary, target, executableTarget, testTarget
    }

    var kind: Kind
    var name: String
    /// Relative to the root of the package, without a trailing slash.
    var path: String
    /// Names of targets and of other packages' products.
    var dependencies: [String] = []

    /// The name used in an `import`.
    var module: String { PackageManifest.module(of: name) }
  }

  /// In the order of the file.
  private(set) var targets: [Target] = []

  static func module(of name: String) -> String { String(name.map { $0 == "-" ? "_" : $0 }) }

  init(parsing text: String) {
    let tokens = Self.tokens(of: text)
    var index = 0
    while index + 2 < tokens.count {
      guard tokens[index] == .mark("."), case .word(let word) = tokens[index + 1], tokens[index + 2] == .mark("("),
        let kind = Target.Kind(rawValue: word)
      else {
        index += 1
        continue
      }
      let end = Self.end(of: tokens, from: index + 2)
      if let target = Self.target(kind, tokens[index + 3..<end]) { targets.append(target) }
      index = end
    }
  }

  private enum Token: Equatable {
    case word(String)
    case text(String)
    case mark(Character)
  }

  private static func tokens(of text: String) -> [Token] {
    var tokens: [Token] = []
    for line in text.split(separator: "\n") {
      var rest = line[...]
      while let first = rest.first {
        if rest.hasPrefix("//") { break }
        if first == "\"" {
          rest = rest.dropFirst()
          tokens.append(.text(String(rest.prefix { $0 != "\"" })))
          rest = rest.drop { $0 != "\"" }.dropFirst()
        } else if first.isLetter || first == "_" {
          let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
          tokens.append(.word(String(word)))
          rest = rest[word.endIndex...]
        } else {
          if !first.isWhitespace { tokens.append(.mark(first)) }
          rest = rest.dropFirst()
        }
      }
    }
    return tokens
  }

  /// The index of the bracket that closes the one at `start`.
  private static func end(of tokens: [Token], from start: Int) -> Int {
    var depth = 0
    for index in start..<tokens.count {
      switch tokens[index] {
      case .mark("("), .mark("["): depth += 1
      case .mark(")"), .mark("]"): depth -= 1
      default: break
      }
      if depth == 0 { return index }
    }
    return tokens.count
  }

  /// Nil if the call has no name, so that it is not a target.
  private static func target(_ kind: Target.Kind, _ arguments: ArraySlice<Token>) -> Target? {
    guard let name = text(labelled: "name", in: arguments) else { return nil }
    let parent = kind == .testTarget ? "Tests" : "Sources"
    var target = Target(kind: kind, name: name, path: text(labelled: "path", in: arguments) ?? "\(parent)/\(name)")
    if let start = place(ofLabel: "dependencies", in: arguments), start < arguments.endIndex {
      let tokens = Array(arguments)
      let first = start - arguments.startIndex
      target.dependencies = names(in: tokens[first + 1..<end(of: tokens, from: first)])
    }
    return target
  }

  /// The names in a list of dependencies: `"A"`, or the `name:` of a call such as `.product(name: "A", package: "a")`.
  private static func names(in list: ArraySlice<Token>) -> [String] {
    var names: [String] = []
    var depth = 0
    for index in list.indices {
      switch list[index] {
      case .mark("("): depth += 1
      case .mark(")"): depth -= 1
      case .text(let text):
        let isName = depth == 0 || index - 2 >= list.startIndex && list[index - 2] == .word("name")
        if isName { names.append(text) }
      case .mark, .word: break
      }
    }
    return names
  }

  /// The index after `label:` outside of inner brackets.
  private static func place(ofLabel label: String, in arguments: ArraySlice<Token>) -> Int? {
    var depth = 0
    for index in arguments.indices {
      switch arguments[index] {
      case .mark("("), .mark("["): depth += 1
      case .mark(")"), .mark("]"): depth -= 1
      case .word(label):
        if depth == 0, index + 1 < arguments.endIndex, arguments[index + 1] == .mark(":") { return index + 2 }
      default: break
      }
    }
    return nil
  }

  private static func text(labelled label: String, in arguments: ArraySlice<Token>) -> String? {
    guard let place = place(ofLabel: label, in: arguments), place < arguments.endIndex,
      case .text(let text) = arguments[place]
    else { return nil }
    return text
  }
}
