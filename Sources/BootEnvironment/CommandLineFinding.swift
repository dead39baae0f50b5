// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Something about a command line that whoever wrote it should know.
package struct CommandLineFinding: Hashable, Sendable {
  package enum Severity: Hashable, Sendable {
    /// It may be meant so.
    case warning
    /// The machine would not boot as it should, or not what was meant; refused unless somebody insists.
    case error
    /// The kernel could not take the line.
    case impossible
  }

  package let severity: Severity
  /// The file that holds it; nil where the line as a whole is meant.
  package let path: String?
  /// A sentence without the path.
  package let detail: Message

  package init(_ severity: Severity, in path: String? = nil, _ detail: Message) {
    self.severity = severity
    self.path = path
    self.detail = detail
  }
}

extension CommandLineFinding: MessageConvertible {
  package var message: Message { path.map { "\($0): \(detail)" } ?? detail }
}
