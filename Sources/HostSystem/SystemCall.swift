// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// Where interrupted calls are repeated and -1 becomes an error.
enum SystemCall {
  /// The value of `call`, repeated while a signal interrupts it. Throws `HostError` when it answers -1.
  @discardableResult
  static func check<Value: SignedInteger>(
    _ operation: String, _ path: String, _ call: () -> Value
  ) throws(HostError) -> Value {
    while true {
      let value = call()
      if value != -1 { return value }
      let number = errno
      if number != EINTR { throw HostError(operation, path, errno: number) }
    }
  }
}
