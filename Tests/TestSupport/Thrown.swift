// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// The error of that type thrown by `body`; nil if it throws no error or a different one.
///
/// Swift 6.0's `#expect(throws:)` does not return it.
package func thrown<Failure: Error, Value>(_ type: Failure.Type, by body: () throws -> Value) -> Failure? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? Failure
  }
}
