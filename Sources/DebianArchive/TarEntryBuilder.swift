// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// Puts an entry together from its header, the extensions before it and the global ones.
struct TarEntryBuilder: Sendable {
  private let limits: TarLimits
  private var extensions: [TarExtension] = []
  private var longName: [UInt8]?
  private var longLink: [UInt8]?
  private var records = PaxRecords()
  private var globalRecords = PaxRecords()
  private var header: TarHeaderBlock?
  private var isMapOpen = false
  private var mapBlocks = 0
  private(set) var contentStart = 0

  init(limits: TarLimits) { self.limits = limits }

  /// Whether an extension waits for its entry.
  var isPending: Bool { !extensions.isEmpty || header != nil }
  /// Whether the next block is a part of the header's map of a sparse file.
  var wantsSparseMap: Bool { isMapOpen }

  static func isExtension(_ header: TarHeaderBlock) -> Bool { [0x4b, 0x4c, 0x58, 0x67, 0x78].contains(header.type) }

  func extensionSize(_ header: TarHeaderBlock) throws(ParseError) -> Int {
    guard extensions.count < limits.extensions else {
      throw ParseError(
        TarHeaderBlock.format, at: header.offset, .range, "more than \(limits.extensions) header extensions in a row")
    }
    return try header.number(TarHeaderBlock.sizeField, in: 0...limits.extensionSize, "the size of a header extension")
  }

  mutating func add(extension header: TarHeaderBlock, content: [UInt8], endingAt end: Int) throws(ParseError) {
    let start = end - content.count
    extensions.append(TarExtension(type: header.type, header: header, contentRange: start..<end))
    switch header.type {
    case UInt8(ascii: "L"), UInt8(ascii: "K"):
      let text = Array(content.prefix { $0 != 0 })
      guard text.count < ArchivePath.lengthLimit, content.dropFirst(text.count).allSatisfy({ $0 == 0 }) else {
        throw ParseError(TarHeaderBlock.format, at: start, .range, "a long name is too long, or goes on behind its end")
      }
      if header.type == UInt8(ascii: "L") { longName = text } else { longLink = text }
    case UInt8(ascii: "g"): try globalRecords.merge(content, at: start, limit: limits.extensionSize)
    default: try records.merge(content, at: start, limit: limits.extensionSize)
    }
  }

  mutating func add(_ header: TarHeaderBlock) {
    self.header = header
    isMapOpen = header.type == UInt8(ascii: "S") && header.bytes[482] != 0
  }

  /// Old GNU: 21 pairs a block, and whether another one follows.
  mutating func add(sparseMap block: [UInt8], at offset: Int) throws(ParseError) {
    mapBlocks += 1
    guard mapBlocks * TarHeaderBlock.size <= limits.extensionSize else {
      throw ParseError(TarHeaderBlock.format, at: offset, .range, "the map of a sparse file is too long")
    }
    isMapOpen = block[504] != 0
  }

  /// The entry whose content begins at `offset`; the builder is ready for the next one. Call when a header is there.
  mutating func entry(contentAt offset: Int) throws(ParseError) -> TarEntry {
    guard let header else {
      throw ParseError(TarHeaderBlock.format, at: offset, .truncated, "there is no header")
    }
    let fields = TarFields(
      header: header, extensions: extensions, longName: longName, longLink: longLink,
      records: globalRecords.overridden(by: records))
    let entry = try fields.entry(contentAt: offset)
    if case .refused = limits.unsafeNames { try entry.requireSafeNames() }
    self.header = nil
    extensions = []
    (longName, longLink) = (nil, nil)
    records = PaxRecords()
    mapBlocks = 0
    contentStart = offset
    return entry
  }
}
