// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
internal import Glibc
package import Messages

/// A failed operation of the system: the operation, the path, and the reason.
package struct HostError: HintedError, Hashable {
  /// The failed operation, as a verb after "cannot".
  package var operation: Message
  /// The object of the operation: a path or a description.
  package var object: Message
  /// The same in English.
  package var path: String { object.description }
  /// The system's error number; 0 if no system call failed and `detail` has the reason.
  package var errno: Int32
  /// The reason, if the number alone does not say it.
  package var detail: Message?
  /// What the user can do.
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
  /// The C library's text for an error number.
  ///
  /// The C library's own catalogue has the translation.
  package init(systemError number: Int32) {
    self.init(key: psu_error_text(number).map { String(cString: $0) } ?? "error \(number)", arguments: [])
  }
}

/// Repeats interrupted calls and turns -1 into an error.
enum SystemCall {
  /// The result of `call`, which is repeated while a signal interrupts it.
  ///
  /// Throws `HostError` if it returns -1.
  @discardableResult
  static func check<Value: SignedInteger>(
    _ operation: @autoclosure () -> Message, _ path: @autoclosure () -> String, _ call: () -> Value
  ) throws(HostError) -> Value {
    try check(operation(), of: Message(verbatim: path()), call)
  }

  /// As above, for an object without a path.
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
