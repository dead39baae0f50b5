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
      guard let next = children.first(where: { $0._commandName == word }) else {
        self.word = word
        self.parents = parents
        commands = children.map { $0._commandName }
        return
      }
      command = next
      parents.append(word)
    }
    return nil
  }
}
