// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import ArgumentParser

/// A word in the place of a subcommand that is not one.
package struct UnknownCommand: Hashable, Sendable {
  package let word: String
  /// The commands before it.
  package let parents: [String]
  /// The commands that could be in its place.
  package let commands: [String]
  /// Whether it is a command of the first level.
  package let isOfFirstLevel: Bool

  /// Options with a value that may come before a subcommand.
  private static let optionsWithValue: Set<String> = ["--root"]

  /// Nil if every command in the arguments exists.
  package init?(in arguments: [String], of root: any ParsableCommand.Type) {
    var command = root
    var parents: [String] = []
    var rest = arguments[...]
    while let word = rest.popFirst() {
      if Self.optionsWithValue.contains(word) { rest = rest.dropFirst() }
      if word.hasPrefix("-") { continue }
      let children = command.configuration.subcommands
      guard !children.isEmpty, word != "help" else { return nil }
      guard let next = Self.command(word, in: children) else {
        self.word = word
        self.parents = parents
        commands = children.map { $0._commandName }
        isOfFirstLevel = !parents.isEmpty && Self.command(word, in: root.configuration.subcommands) != nil
        return
      }
      command = next
      parents.append(word)
    }
    return nil
  }

  private static func command(
    _ word: String, in commands: [any ParsableCommand.Type]
  ) -> (any ParsableCommand.Type)? {
    commands.first { $0._commandName == word || $0.configuration.aliases.contains(word) }
  }
}
