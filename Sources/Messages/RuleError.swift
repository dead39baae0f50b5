// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The rules of one subject that an input or a result can break.
package protocol ErrorRule: Hashable, Sendable {
  /// As `HintedError.namesItsObject`, for errors about this rule. Default: no.
  var namesItsObject: Bool { get }
}

extension ErrorRule {
  package var namesItsObject: Bool { false }
}

/// Which rule does not hold, as a sentence.
///
/// Each subject has its own rules and names its error by a type alias, such as `LayoutError`.
package struct RuleError<Rule: ErrorRule>: HintedError, Hashable {
  package var rule: Rule
  /// A full sentence without its full stop.
  package var message: Message
  package var hint: Message?

  package init(_ rule: Rule, _ message: Message, hint: Message? = nil) {
    self.rule = rule
    self.message = message
    self.hint = hint
  }

  package var namesItsObject: Bool { rule.namesItsObject }
}
