// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Reads a tar archive (v7, ustar, GNU or pax) piece by piece, following POSIX.1-2001, GNU tar and dpkg.
///
/// Keeps only one header and its extensions in memory.
package struct TarReader: Sendable {
  private enum State: Sendable {
    /// Collecting a block: a header, or the map of a sparse file after one.
    case block
    /// Collecting the content of a header extension, whose padding follows.
    case extensionContent(TarHeaderBlock, left: Int)
    case content(left: Int)
    case fill(left: Int, ofEntry: Bool)
    /// After the first zero block.
    case end
  }

  private let limits: TarLimits
  /// Offset of the next byte in the data that the archive is part of.
  package private(set) var offset: Int
  /// Offset of the first zero block; nil until one was seen.
  package private(set) var endOfArchive: Int?
  /// Entries so far.
  package private(set) var entryCount = 0
  private var state = State.block
  private var collected: [UInt8] = []
  private var builder: TarEntryBuilder

  /// Creates a reader for bytes that start with a header at `offset`.
  package init(startingAt offset: Int = 0, limits: TarLimits = TarLimits()) {
    self.limits = limits
    self.offset = offset
    builder = TarEntryBuilder(limits: limits)
  }

  /// Reads the next bytes, of any number, and passes the resulting events to `handle`.
  ///
  /// Throws `ParseError`, after which the reader must not be used again, and what `handle` throws. The bytes of a
  /// `content` event are valid only during the call.
  package mutating func feed(_ bytes: UnsafeRawBufferPointer, _ handle: (TarEvent) throws -> Void) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      switch state {
      case .block:
        collect(&rest, upTo: TarHeaderBlock.size)
        if collected.count == TarHeaderBlock.size {
          let block = collected
          collected.removeAll(keepingCapacity: true)
          try take(block: block, handle)
        }
      case .extensionContent(let header, let left):
        let count = min(left, rest.count)
        collected += rest.prefix(count)
        pass(count, &rest)
        state = .extensionContent(header, left: left - count)
        if left == count { try endExtension(header) }
      case .content(let left):
        let count = min(left, rest.count)
        try handle(.content(UnsafeRawBufferPointer(rebasing: rest.prefix(count))))
        pass(count, &rest)
        state = .content(left: left - count)
        if left == count { try endContent(handle) }
      case .fill(let left, let ofEntry):
        let count = min(left, rest.count)
        pass(count, &rest)
        state = .fill(left: left - count, ofEntry: ofEntry)
        if left == count { try endFill(ofEntry: ofEntry, handle) }
      case .end:
        guard let stray = rest.firstIndex(where: { $0 != 0 }) else { return pass(rest.count, &rest) }
        throw ParseError(
          TarHeaderBlock.format, at: offset + stray - rest.startIndex, .trailingBytes,
          "data after the end of the archive")
      }
    }
  }

  /// Ends the input.
  ///
  /// Throws `ParseError` if an entry is incomplete. Returns the offset where another entry can be inserted: an archive
  /// may lack zero blocks.
  @discardableResult
  package mutating func finish() throws(ParseError) -> Int {
    switch state {
    case .end: break
    case .block where collected.isEmpty && !builder.isPending: break
    default:
      throw ParseError(TarHeaderBlock.format, at: offset, .truncated, "the archive ends in the middle of an entry")
    }
    return endOfArchive ?? offset
  }

  private mutating func pass(_ count: Int, _ rest: inout Slice<UnsafeRawBufferPointer>) {
    rest = rest.dropFirst(count)
    offset += count
  }

  private mutating func collect(_ rest: inout Slice<UnsafeRawBufferPointer>, upTo count: Int) {
    let wanted = min(count - collected.count, rest.count)
    collected += rest.prefix(wanted)
    pass(wanted, &rest)
  }

  private mutating func take(block: [UInt8], _ handle: (TarEvent) throws -> Void) throws {
    let start = offset - block.count
    if builder.wantsSparseMap {
      try builder.add(sparseMap: block, at: start)
    } else if block.allSatisfy({ $0 == 0 }) {
      guard !builder.isPending else {
        throw ParseError(TarHeaderBlock.format, at: start, .truncated, "the archive ends after a header extension")
      }
      endOfArchive = start
      state = .end
      return try handle(.endOfArchive(offset: start))
    } else {
      let header = try TarHeaderBlock(block, at: start)
      if TarEntryBuilder.isExtension(header) {
        let size = try builder.extensionSize(header)
        state = .extensionContent(header, left: size)
        if size == 0 { try endExtension(header) }
        return
      }
      builder.add(header)
    }
    if !builder.wantsSparseMap { try beginEntry(handle) }
  }

  private mutating func endExtension(_ header: TarHeaderBlock) throws {
    try builder.add(extension: header, content: collected, endingAt: offset)
    let count = collected.count
    collected.removeAll(keepingCapacity: true)
    let fill = Self.fill(after: count)
    state = fill == 0 ? .block : .fill(left: fill, ofEntry: false)
  }

  private mutating func beginEntry(_ handle: (TarEvent) throws -> Void) throws {
    let entry = try builder.entry(contentAt: offset)
    entryCount += 1
    guard entryCount <= limits.entries else {
      throw ParseError(
        TarHeaderBlock.format, at: entry.start, .range, "the archive has more than \(limits.entries) entries")
    }
    try handle(.entry(entry))
    state = .content(left: entry.size)
    if entry.size == 0 { try endContent(handle) }
  }

  private mutating func endContent(_ handle: (TarEvent) throws -> Void) throws {
    let fill = Self.fill(after: offset - builder.contentStart)
    state = .fill(left: fill, ofEntry: true)
    if fill == 0 { try endFill(ofEntry: true, handle) }
  }

  private mutating func endFill(ofEntry: Bool, _ handle: (TarEvent) throws -> Void) throws {
    state = .block
    if ofEntry { try handle(.endOfEntry) }
  }

  private static func fill(after count: Int) -> Int {
    let rest = count % TarHeaderBlock.size
    return rest == 0 ? 0 : TarHeaderBlock.size - rest
  }
}

/// Limits on a tar archive; kernel packages stay far below them.
package struct TarLimits: Sendable {
  /// How to treat an entry whose name or link leads out of the archive.
  package enum UnsafeNames: Sendable {
    /// Reading fails.
    case refused
    /// The entry is passed on; for callers that only report it.
    case reported
  }

  /// Bytes in one header extension: a long name or pax records.
  package var extensionSize = 1 << 20
  /// Header extensions before one entry.
  package var extensions = 16
  /// Entries in an archive.
  package var entries = 1 << 20
  package var unsafeNames = UnsafeNames.refused

  package init() {}
}
