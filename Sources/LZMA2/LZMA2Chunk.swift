// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// One chunk of a block, as its header has it, and where it begins.
struct LZMA2Chunk {
  enum Reset: Int, Comparable {
    case none, state, properties, dictionary
    static func < (left: Reset, right: Reset) -> Bool { left.rawValue < right.rawValue }
  }

  enum Content {
    case raw
    /// LZMA; `properties` are those of the header, where it has them.
    case lzma(properties: Model.Properties?)
  }

  let content: Content
  let reset: Reset
  /// Offset of the control byte in the compressed data.
  let offset: Int
  /// Bytes of the header.
  let headerSize: Int
  /// Bytes that follow the header.
  let dataCount: Int
  /// Offset of the first byte of text in the block's text.
  let textStart: Int
  let textCount: Int
  /// Number of symbols before the chunk's.
  let firstSymbol: Int

  var textEnd: Int { textStart + textCount }
}

/// What the coder knows where a chunk begins, so that an encoder can begin there.
struct Checkpoint {
  /// Number of chunks before it.
  let chunk: Int
  /// Nil where no LZMA chunk came before, or where the chunk resets it.
  let model: (Model, probabilities: [UInt16])?
}
