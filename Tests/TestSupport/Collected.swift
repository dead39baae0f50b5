// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Synchronization

/// Values that closures of a test hand over.
package final class Collected<Value: Sendable>: Sendable {
  private let values = Mutex<[Value]>([])

  package init() {}

  package func append(_ value: Value) { values.withLock { $0.append(value) } }

  package var all: [Value] { values.withLock { $0 } }
}
