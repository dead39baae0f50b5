// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The adaptive state of decoder and encoder: state, latest distances, and the properties that select the literal and
/// position contexts (LZMA specification, "The main loop of decoder").
struct Model {
  /// Literal context bits, literal position bits and position bits.
  struct Properties: Hashable {
    let lc: Int
    let lp: Int
    let pb: Int

    /// Decodes the byte from a chunk's header; nil if LZMA2 does not allow it: lc + lp is at most 4.
    init?(_ byte: UInt8) {
      guard byte < 9 * 5 * 5 else { return nil }
      lc = Int(byte) % 9
      lp = Int(byte) / 9 % 5
      pb = Int(byte) / 45
      guard lc + lp <= 4 else { return nil }
    }

    var byte: UInt8 { UInt8((pb * 5 + lp) * 9 + lc) }
  }

  /// Offset of each table in the array of probabilities.
  enum Table {
    static let isMatch = 0
    static let isRep = isMatch + 12 * 16
    static let isRepG0 = isRep + 12
    static let isRepG1 = isRepG0 + 12
    static let isRepG2 = isRepG1 + 12
    static let isRep0Long = isRepG2 + 12
    static let slot = isRep0Long + 12 * 16
    /// For the low bits of distances in slots 4 to 13.
    static let special = slot + 4 * 64
    static let align = special + 116
    static let matchLength = align + 16
    static let repLength = matchLength + Length.count
    static let literal = repLength + Length.count
    /// Includes the largest literal table that LZMA2 allows.
    static let count = literal + (0x300 << 4)
  }

  /// Offset of each table within a length table.
  enum Length {
    static let choice = 0
    static let choice2 = 1
    static let low = 2
    static let mid = low + 16 * 8
    static let high = mid + 16 * 8
    static let count = high + 256
  }

  static let half: UInt16 = 1024

  var properties: Properties
  /// 0 to 11, numbered as in the specification; values below 7 follow a literal.
  var state = 0
  var rep0: UInt32 = 0
  var rep1: UInt32 = 0
  var rep2: UInt32 = 0
  var rep3: UInt32 = 0

  /// Number of probabilities in use with these properties.
  var probabilityCount: Int { Table.literal + (0x300 << (properties.lc + properties.lp)) }
}

/// The array of probabilities.
final class Probabilities {
  let start = UnsafeMutablePointer<UInt16>.allocate(capacity: Model.Table.count)

  init() { start.initialize(repeating: Model.half, count: Model.Table.count) }
  deinit { start.deallocate() }

  func reset() { start.update(repeating: Model.half, count: Model.Table.count) }

  func copy(_ values: [UInt16]) {
    values.withUnsafeBufferPointer { values in
      if let first = values.baseAddress { start.update(from: first, count: min(values.count, Model.Table.count)) }
    }
  }
}
