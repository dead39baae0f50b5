// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The header and position of one chunk of a block.
struct LZMA2Chunk {
  enum Reset: Int, Comparable {
    case none, state, properties, dictionary
    static func < (left: Reset, right: Reset) -> Bool { left.rawValue < right.rawValue }
  }

  enum Content {
    case raw
    /// LZMA; `properties` are set if the header has them.
    case lzma(properties: Model.Properties?)
  }

  let content: Content
  let reset: Reset
  /// Offset of the control byte in the compressed data.
  let offset: Int
  /// Size of the header in bytes.
  let headerSize: Int
  /// Number of bytes after the header.
  let dataCount: Int
  /// Offset of the chunk's text in the block's text.
  let textStart: Int
  let textCount: Int
  /// Number of symbols in earlier chunks.
  let firstSymbol: Int

  var textEnd: Int { textStart + textCount }
  /// Offset of the next chunk in the compressed data.
  var end: Int { offset + headerSize + dataCount }

  var isRaw: Bool {
    if case .raw = content { return true }
    return false
  }

  /// Whether decoding does not depend on the coder's state before the chunk; false for raw chunks, which keep it.
  var resetsState: Bool { !isRaw && reset >= .state }
}

/// The state of the coder at the start of a chunk, so that an encoder can start there.
struct Checkpoint {
  /// Number of earlier chunks.
  let chunk: Int
  /// Nil if no LZMA chunk precedes it, or if the chunk resets the model.
  let model: (Model, probabilities: [UInt16])?
}
