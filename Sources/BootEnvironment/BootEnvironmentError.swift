// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// An error in one of the host's boot settings: the file, the line, and what to write instead.
package struct BootEnvironmentError: HintedError, Hashable {
  /// The object of the error: the path of a file, or a description.
  package var object: Message
  /// The same in English.
  package var path: String { object.description }
  /// Line number, from 1; nil for the file as a whole.
  package var line: Int?
  /// What is wrong, as a fragment or sentence after the path.
  package var detail: Message
  package var hint: Message?

  package init(_ path: String, line: Int? = nil, _ detail: Message, hint: Message? = nil) {
    self.init(of: Message(verbatim: path), line: line, detail, hint: hint)
  }

  package init(of object: Message, line: Int? = nil, _ detail: Message, hint: Message? = nil) {
    self.object = object
    self.line = line
    self.detail = detail
    self.hint = hint
  }
}

extension BootEnvironmentError {
  package var message: Message { line.map { "\(object), line \($0): \(detail)" } ?? "\(object): \(detail)" }
}
