// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Glibc

/// A request the system refused: what was to be done with which path, and why not.
package struct HostError: HintedError, Hashable {
  /// What was to be done, as the verb after "cannot".
  package var operation: String
  package var path: String
  /// The system's error number; 0 when no system call failed and `detail` says what is wrong.
  package var errno: Int32
  /// What is wrong, where the number alone does not say it.
  package var detail: String?
  /// What the user can do about it.
  package var hint: String?

  package init(_ operation: String, _ path: String, errno: Int32, hint: String? = nil) {
    self.operation = operation
    self.path = path
    self.errno = errno
    self.hint = hint
  }

  package init(_ operation: String, _ path: String, detail: String, hint: String? = nil) {
    self.init(operation, path, errno: 0, hint: hint)
    self.detail = detail
  }
}

extension HostError: CustomStringConvertible {
  package var description: String {
    "cannot \(operation) \(path): \(detail ?? String(cString: strerror(errno)))"
  }
}
