// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
internal import Glibc
package import Messages

/// A request the system refused: what was to be done with which path, and why not.
package struct HostError: HintedError, Hashable {
  /// What was to be done, as the verb after "cannot".
  package var operation: Message
  /// What it was to be done with: a path, or words for what has none.
  package var object: Message
  /// The same in English.
  package var path: String { object.description }
  /// The system's error number; 0 when no system call failed and `detail` says what is wrong.
  package var errno: Int32
  /// What is wrong, where the number alone does not say it.
  package var detail: Message?
  /// What the user can do about it.
  package var hint: Message?

  package init(_ operation: Message, _ path: String, errno: Int32, hint: Message? = nil) {
    self.init(operation, of: Message(verbatim: path), errno: errno, hint: hint)
  }

  package init(_ operation: Message, of object: Message, errno: Int32, hint: Message? = nil) {
    self.operation = operation
    self.object = object
    self.errno = errno
    self.hint = hint
  }

  package init(_ operation: Message, _ path: String, detail: Message, hint: Message? = nil) {
    self.init(operation, path, errno: 0, hint: hint)
    self.detail = detail
  }
}

extension HostError {
  package var namesItsObject: Bool { true }
  package var message: Message { "cannot \(operation) \(object): \(detail ?? Message(systemError: errno))" }
}

extension Message {
  /// What the C library says of an error number.
  ///
  /// Its own catalogue has the translation.
  package init(systemError number: Int32) {
    self.init(key: psu_error_text(number).map { String(cString: $0) } ?? "error \(number)", arguments: [])
  }
}

/// Where interrupted calls are repeated and -1 becomes an error.
enum SystemCall {
  /// The value of `call`, repeated while a signal interrupts it.
  ///
  /// Throws `HostError` when it answers -1.
  @discardableResult
  static func check<Value: SignedInteger>(
    _ operation: @autoclosure () -> Message, _ path: @autoclosure () -> String, _ call: () -> Value
  ) throws(HostError) -> Value {
    try check(operation(), of: Message(verbatim: path()), call)
  }

  /// The same with something that has no path.
  @discardableResult
  static func check<Value: SignedInteger>(
    _ operation: @autoclosure () -> Message, of object: @autoclosure () -> Message, _ call: () -> Value
  ) throws(HostError) -> Value {
    while true {
      let value = call()
      if value != -1 { return value }
      let number = errno
      if number != EINTR { throw HostError(operation(), of: object(), errno: number) }
    }
  }
}
