// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Values that closures of a test hand over, one after the other.
package final class Collected<Value: Sendable>: @unchecked Sendable {
  package private(set) var all: [Value] = []

  package init() {}

  package func append(_ value: Value) { all.append(value) }
}
