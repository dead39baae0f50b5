// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Something about this machine that its administrator should know: a value, so that people, `--json` and node_exporter
/// get the same.
package struct Finding: Sendable {
  package enum Severity: Int, Comparable, Sendable {
    /// Nothing has to be done.
    case note
    /// The administrator should act; `status` exits with 1.
    case attention
    /// The machine may not start again, or the last work failed; repeated after each apt run.
    case failure

    package var name: String {
      switch self {
      case .note: "note"
      case .attention: "attention"
      case .failure: "failure"
      }
    }

    package static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
  }

  package enum Action: Hashable, Sendable {
    /// A command that can be pasted into root's shell as it stands.
    case run(Message)
    /// An instruction.
    case advise(Message)

    package var text: Message {
      switch self {
      case .run(let text), .advise(let text): text
      }
    }
  }

  /// A fact in the message, for programs.
  package struct Argument: Sendable {
    /// In snake case, such as `partition`.
    package var name: String
    package var value: JSONValue
  }

  package var kind: FindingKind
  /// One sentence that names the object.
  package var message: Message
  package var arguments: [Argument]
  /// What to do, in order of preference.
  package var actions: [Action]

  package init(
    _ kind: FindingKind, _ message: Message, arguments: KeyValuePairs<String, JSONValue> = [:], actions: [Action] = []
  ) {
    self.kind = kind
    self.message = message
    self.arguments = arguments.map { Argument(name: $0.key, value: $0.value) }
    self.actions = actions
  }

  /// A finding about a failure; its hint becomes an instruction unless `command` says what to run.
  package init(
    _ kind: FindingKind, _ failure: Failure, arguments: KeyValuePairs<String, JSONValue> = [:], command: Message? = nil
  ) {
    let hint = command.map { Action.run($0) } ?? failure.hint.map { .advise($0) }
    self.init(kind, failure.message, arguments: arguments, actions: [hint].compactMap { $0 })
  }

  package var severity: Severity { kind.severity }

  /// The first command among its actions.
  package var command: Message? {
    actions.lazy.compactMap { if case .run(let text) = $0 { text } else { nil } }.first
  }

  /// The finding as an error, with the first action as its hint.
  package var failure: Failure { Failure(message, hint: actions.first?.text) }

  package var json: JSONValue {
    .object([
      "kind": .string(kind.rawValue), "severity": .string(severity.name), "message": .string(message.description),
      "arguments": .object(Dictionary(arguments.map { ($0.name, $0.value) }) { $1 }),
      "actions": .array(
        actions.map { action in
          switch action {
          case .run(let text): .object(["command": .string(text.description)])
          case .advise(let text): .object(["advice": .string(text.description)])
          }
        }),
    ])
  }
}
