// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import HostSystem

/// A piece of a member as it will be in the output: most are where they were in the input.
enum MemberPiece {
  case input(Range<Int>)
  case spooled(Range<Int>)
  case bytes([UInt8])

  var count: Int {
    switch self {
    case .input(let range), .spooled(let range): range.count
    case .bytes(let bytes): bytes.count
    }
  }
}

/// A member of the output, before it is written.
struct RewrittenMember {
  var pieces: [MemberPiece] = []
  var count: Int { pieces.reduce(0) { $0 + $1.count } }
  /// Whether liblzma had to compress anew what was meant to be transcoded.
  var fellBack = false

  /// Appends what `spool` gets from `body`.
  mutating func spool(to spool: SpoolFile, _ body: (any ByteSink) throws -> Void) throws {
    let start = spool.count
    try body(spool)
    pieces.append(.spooled(start..<spool.count))
  }

  /// Writes all of it. `input` is the whole package.
  func write(to sink: any ByteSink, input: any RandomAccessBytes, spool: SpoolFile) throws {
    let buffer = TransferBuffer()
    for piece in pieces {
      switch piece {
      case .input(let range): try buffer.forEachChunk(of: input, in: range) { try sink.write($0) }
      case .spooled(let range): try buffer.forEachChunk(of: spool, in: range) { try sink.write($0) }
      case .bytes(let bytes): try sink.write(bytes)
      }
    }
  }
}
