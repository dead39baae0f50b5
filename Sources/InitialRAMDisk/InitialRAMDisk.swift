// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Compression
package import Messages

/// Lists the members of an initrd: any number of cpio archives, each uncompressed or compressed, as the kernel unpacks
/// them (Linux, Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c).
///
/// Nothing is extracted, and memory use does not grow with the input.
package struct InitialRAMDisk {
  /// The most that is read of an initrd.
  package struct Limits: Sendable {
    /// Members of all archives; Debian's initrds have up to 10,000.
    package var members: Int
    /// Bytes of all archives, unpacked; more would hardly fit into memory at boot.
    package var bytes: Int
    /// Compressed streams and uncompressed parts between them.
    package var segments: Int

    package init(members: Int = 500_000, bytes: Int = 4 << 30, segments: Int = 256) {
      self.members = members
      self.bytes = bytes
      self.segments = segments
    }
  }

  /// A compressed stream, or archives without compression.
  package struct Segment: Hashable, Sendable {
    /// Nil if it is not compressed.
    package var compression: EmbeddedStream.Format?
    /// Offset in bytes.
    package var start: Int
    /// Offset of the byte after it; of the source's end if it was not read.
    package var end: Int
    package var members: Int

    /// The compression in words, such as `Zstandard`; nil if it is not compressed.
    package var compressionName: String? { compression?.rawValue }
  }

  static let format = "initrd"
  private let source: any RandomAccessBytes
  private let limits: Limits
  /// Whether listing has taken too long; called for each piece of data.
  private let isOverdue: () -> Bool

  package init(
    _ source: any RandomAccessBytes, limits: Limits = Limits(), isOverdue: @escaping () -> Bool = { false }
  ) {
    self.source = source
    self.limits = limits
    self.isOverdue = isOverdue
  }

  /// Passes each member to `body`, in order, and returns the segments.
  ///
  /// Throws `ParseError` if the kernel could not unpack the initrd completely, or with the rules `limit` and
  /// `unsupported` if it cannot be examined, and what `body` and reading the source throw. Members before the damage
  /// were passed on.
  @discardableResult
  package func forEachMember(_ body: (RAMDiskMember) throws -> Void) throws -> [Segment] {
    try list(unpacking: true, body)
  }

  /// Passes each member of the uncompressed archives at the start to `body`, in order: the kernel looks for microcode
  /// there.
  ///
  /// Returns their segments and the first that is compressed, of which only the first bytes are read. Throws like
  /// `forEachMember`.
  package func forEachLeadingMember(_ body: (RAMDiskMember) throws -> Void) throws -> [Segment] {
    try list(unpacking: false, body)
  }

  private func list(unpacking: Bool, _ body: (RAMDiskMember) throws -> Void) throws -> [Segment] {
    var listing = Listing(limits: limits, isOverdue: isOverdue)
    var offset = 0
    while let start = try nextNonzero(from: offset) {
      guard listing.segments.count < limits.segments else {
        throw Self.error(at: start, .limit, "it has more than \(limits.segments) parts")
      }
      let head = try source.readBytes(at: start, count: min(2, source.count - start), format: Self.format)
      if head.first == UInt8(ascii: "0"), start % 4 == 0 {
        offset = try listing.readPlain(source, from: start, body)
      } else if let format = EmbeddedStream.Format(start: head) {
        guard unpacking else {
          return listing.segments + [Segment(compression: format, start: start, end: source.count, members: 0)]
        }
        offset = try listing.readCompressed(format, source, from: start, body)
      } else {
        let detail: Message =
          head.first == UInt8(ascii: "0")
          ? "an archive does not start at a multiple of four bytes"
          : "neither a cpio archive nor compressed in a format that the kernel knows"
        throw Self.error(at: start, .magic, detail)
      }
      listing.segments[listing.segments.count - 1].end = offset
    }
    return listing.segments
  }

  /// The offset of the next byte that is not zero; nil if there is none.
  private func nextNonzero(from offset: Int) throws -> Int? {
    guard offset < source.count else { return nil }
    // Usually there is no padding.
    var buffer = TransferBuffer(size: 4096)
    var position = offset
    while position < source.count {
      let count = min(buffer.bytes.count, source.count - position)
      let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
      try source.read(into: chunk, at: position)
      if let index = chunk.firstIndex(where: { $0 != 0 }) { return position + index }
      position += count
      if isOverdue() { throw Self.overdue(at: position) }
      if buffer.bytes.count == 4096 { buffer = TransferBuffer() }
    }
    return nil
  }

  fileprivate static func error(at offset: Int, _ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(format, at: offset, rule, detail)
  }

  fileprivate static func overdue(at offset: Int) -> ParseError {
    error(at: offset, .limit, "listing its files takes too long")
  }
}

extension ParseError.Rule {
  /// The input may be valid, but exceeds what is examined.
  package static let limit: ParseError.Rule = "limit"
}

/// What was read so far.
private struct Listing {
  let limits: InitialRAMDisk.Limits
  let isOverdue: () -> Bool
  var segments: [InitialRAMDisk.Segment] = []
  private var members = 0
  private var bytes = 0

  init(limits: InitialRAMDisk.Limits, isOverdue: @escaping () -> Bool) {
    self.limits = limits
    self.isOverdue = isOverdue
  }

  /// Reads uncompressed archives until something else follows and returns its offset.
  mutating func readPlain(
    _ source: any RandomAccessBytes, from start: Int, _ body: (RAMDiskMember) throws -> Void
  ) throws -> Int {
    var reader = NewcReader(startingAt: start)
    segments.append(InitialRAMDisk.Segment(compression: nil, start: start, end: start, members: 0))
    let buffer = TransferBuffer()
    var offset = start
    while offset < source.count {
      let count = min(buffer.bytes.count, source.count - offset)
      let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
      try source.read(into: chunk, at: offset)
      let used = try feed(UnsafeRawBufferPointer(chunk), to: &reader, at: offset, body)
      offset += used
      if used < count { return offset }
    }
    // The kernel accepts an uncompressed archive without a trailer.
    guard reader.mayEnd else { throw InitialRAMDisk.error(at: offset, .truncated, "the last archive is incomplete") }
    return offset
  }

  /// Reads the archives in a compressed stream and returns its end.
  mutating func readCompressed(
    _ format: EmbeddedStream.Format, _ source: any RandomAccessBytes, from start: Int,
    _ body: (RAMDiskMember) throws -> Void
  ) throws -> Int {
    guard format != .lz4Frame else {
      throw InitialRAMDisk.error(
        at: start, .magic, "compressed in the frame format of LZ4; the kernel unpacks only the legacy format (lz4 -l)")
    }
    var reader = NewcReader(startingAt: start)
    segments.append(InitialRAMDisk.Segment(compression: format, start: start, end: start, members: 0))
    do {
      let end = try EmbeddedStream(format, in: source, at: start).forEachChunk(limit: limits.bytes - bytes) { chunk in
        guard try feed(chunk, to: &reader, at: start, body) == chunk.count else {
          throw InitialRAMDisk.error(at: start, .magic, "unknown data in a compressed archive")
        }
      }
      guard reader.isComplete else {
        throw InitialRAMDisk.error(at: start, .truncated, "a compressed archive has no end (TRAILER!!!)")
      }
      guard end > start else { throw InitialRAMDisk.error(at: start, .truncated, "a compressed archive is empty") }
      return end
    } catch let error as CompressionError where error.operation != .unavailable {
      let rule: ParseError.Rule =
        switch error.operation {
        case .limit: .limit
        case .unsupported: .unsupported
        case .unpack, .unavailable, .pack: "damaged"
        }
      throw InitialRAMDisk.error(at: start, rule, "\(format.rawValue): \(error.detail)")
    }
  }

  private mutating func feed(
    _ chunk: UnsafeRawBufferPointer, to reader: inout NewcReader, at offset: Int,
    _ body: (RAMDiskMember) throws -> Void
  ) throws -> Int {
    if isOverdue() { throw InitialRAMDisk.overdue(at: offset) }
    bytes += chunk.count
    guard bytes <= limits.bytes else {
      throw InitialRAMDisk.error(at: offset, .limit, "it unpacks to more than \(limits.bytes) bytes")
    }
    let last = segments.count - 1
    return try reader.feed(chunk) { member in
      members += 1
      guard members <= limits.members else {
        throw InitialRAMDisk.error(at: offset, .limit, "it has more than \(limits.members) files")
      }
      segments[last].members += 1
      try body(member)
    }
  }
}
