// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The rules that an input or a result can break, for one subject.
package protocol ErrorRule: Hashable, Sendable {
  /// `HintedError.namesItsObject` for errors about this rule. Default: no.
  var namesItsObject: Bool { get }
}

extension ErrorRule {
  package var namesItsObject: Bool { false }
}

/// A broken rule, described by a sentence.
///
/// Each subject has its own rules and a type alias for its error, such as `LayoutError`.
package struct RuleError<Rule: ErrorRule>: HintedError, Hashable {
  package var rule: Rule
  /// A complete sentence without a full stop.
  package var message: Message
  package var hint: Message?

  package init(_ rule: Rule, _ message: Message, hint: Message? = nil) {
    self.rule = rule
    self.message = message
    self.hint = hint
  }

  package var namesItsObject: Bool { rule.namesItsObject }
}
