// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Synchronization

/// A value that several threads share, one at a time: a `Mutex` that can be copied and stored, since it is a reference.
package final class Guarded<Value>: Sendable {
  private let mutex: Mutex<Value>

  package init(_ value: sending Value) { mutex = Mutex(value) }

  /// Calls `body` with the value while no other thread has it.
  package func withLock<Result>(_ body: (inout sending Value) throws -> sending Result) rethrows -> sending Result {
    try mutex.withLock(body)
  }
}
