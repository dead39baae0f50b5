// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// A run of literals and the match after it in eight bytes: an encoder's decision, independent of how it is coded.
///
/// From the lowest bit: length (9 bits), kind (3), literals before it (20), distance (32). The literals' values are in
/// the text.
struct Symbol {
  enum Kind {
    static let match: UInt64 = 0
    /// A match at the latest distance or one of the three before it: 1 to 4.
    static let rep0: UInt64 = 1
    static let rep1: UInt64 = 2
    static let rep2: UInt64 = 3
    static let rep3: UInt64 = 4
    /// One byte at the latest distance.
    static let shortRep: UInt64 = 5
    /// No match after the literals.
    static let none: UInt64 = 6
    /// The encoder chooses the kind from the latest distances.
    static let anew: UInt64 = 7
  }

  static let greatestRun = (1 &<< 20) - 1

  let word: UInt64

  @inline(__always) init(word: UInt64) { self.word = word }

  @inline(__always) init(run: Int, kind: UInt64, length: Int, distance: UInt32) {
    word =
      UInt64(truncatingIfNeeded: length) | kind &<< 9 | UInt64(truncatingIfNeeded: run) &<< 12 | UInt64(distance) &<< 32
  }

  /// Length of the match in bytes; 0 for no match.
  @inline(__always) var length: Int { Int(truncatingIfNeeded: word & 0x1ff) }
  @inline(__always) var kind: UInt64 { word &>> 9 & 7 }
  /// Number of literals before the match.
  @inline(__always) var run: Int { Int(truncatingIfNeeded: word &>> 12 & 0xf_ffff) }
  /// How many bytes back the match starts, minus one.
  @inline(__always) var distance: UInt32 { UInt32(truncatingIfNeeded: word &>> 32) }
}

/// A growing list of symbols that a decoder writes through a pointer.
///
/// Once shared it is only read, so sharing is safe.
final class SymbolList: @unchecked Sendable {
  private let source: any BufferSource
  private var memory: BufferMemory
  private(set) var start: UnsafeMutablePointer<UInt64>
  var count = 0

  var capacity: Int { memory.count / 8 }

  init(capacity: Int, from source: any BufferSource) {
    self.source = source
    memory = source.take(max(1024, capacity) * 8, for: .symbols)
    start = memory.start.bindMemory(to: UInt64.self, capacity: memory.count / 8)
  }

  deinit { source.giveBack(memory, from: .symbols) }

  func grow() {
    let larger = source.take(memory.count * 2, for: .symbols)
    let newStart = larger.start.bindMemory(to: UInt64.self, capacity: larger.count / 8)
    newStart.update(from: start, count: count)
    source.giveBack(memory, from: .symbols)
    (memory, start) = (larger, newStart)
  }

  func append(_ symbol: Symbol) {
    if count == capacity { grow() }
    start[count] = symbol.word
    count += 1
  }
}
