// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Glibc
internal import Messages

/// Where interrupted calls are repeated and -1 becomes an error.
enum SystemCall {
  /// The value of `call`, repeated while a signal interrupts it. Throws `HostError` when it answers -1.
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
