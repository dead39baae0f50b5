// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A growing list of symbols that a decoder writes through a pointer. It is only read once it is shared, which is why it
/// may be.
final class SymbolList: @unchecked Sendable {
  private(set) var start: UnsafeMutablePointer<UInt64>
  private(set) var capacity: Int
  var count = 0

  init(capacity: Int) {
    self.capacity = max(1024, capacity)
    start = .allocate(capacity: self.capacity)
  }

  deinit { start.deallocate() }

  func grow() {
    let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: start, count: count)
    start.deallocate()
    start = larger
    capacity *= 2
  }

  /// Appends one symbol.
  func append(_ symbol: Symbol) {
    if count == capacity { grow() }
    start[count] = symbol.word
    count += 1
  }
}
