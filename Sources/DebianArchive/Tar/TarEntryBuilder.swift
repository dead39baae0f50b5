// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// Builds an entry from its header, the extensions before it and the global extensions.
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

  /// Whether an extension or header is still waiting for the rest of its entry.
  var isPending: Bool { !extensions.isEmpty || header != nil }
  /// Whether the next block belongs to the header's sparse-file map.
  var wantsSparseMap: Bool { isMapOpen }

  static func isExtension(_ header: TarHeaderBlock) -> Bool { [0x4b, 0x4c, 0x58, 0x67, 0x78].contains(header.type) }

  func extensionSize(_ header: TarHeaderBlock) throws(ParseError) -> Int {
    guard extensions.count < limits.extensions else {
      throw ParseError(
        TarHeaderBlock.format, at: header.offset, .range, "more than \(limits.extensions) header extensions in a row")
    }
    return try header.number(
      TarHeaderBlock.sizeField, in: 0...limits.extensionSize, name: "the header extension's size")
  }

  mutating func add(extension header: TarHeaderBlock, content: [UInt8], endingAt end: Int) throws(ParseError) {
    let start = end - content.count
    extensions.append(TarExtension(type: header.type, header: header, contentRange: start..<end))
    switch header.type {
    case UInt8(ascii: "L"), UInt8(ascii: "K"):
      let text = Array(content.prefix { $0 != 0 })
      guard text.count < ArchivePath.lengthLimit, content.dropFirst(text.count).allSatisfy({ $0 == 0 }) else {
        throw ParseError(TarHeaderBlock.format, at: start, .range, "a long name is too long or has data after its end")
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

  /// Old GNU format: 21 pairs per block, and a flag for whether another block follows.
  mutating func add(sparseMap block: [UInt8], at offset: Int) throws(ParseError) {
    mapBlocks += 1
    guard mapBlocks * TarHeaderBlock.size <= limits.extensionSize else {
      throw ParseError(TarHeaderBlock.format, at: offset, .range, "the sparse file's map is too long")
    }
    isMapOpen = block[504] != 0
  }

  /// Returns the entry whose content starts at `offset` and resets the builder for the next one.
  ///
  /// Call after `add(_:)`.
  mutating func entry(contentAt offset: Int) throws(ParseError) -> TarEntry {
    guard let header else {
      throw ParseError(TarHeaderBlock.format, at: offset, .truncated, "the header is missing")
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

/// A header and everything that overrides its fields.
struct TarFields {
  let header: TarHeaderBlock
  let extensions: [TarExtension]
  let longName: [UInt8]?
  let longLink: [UInt8]?
  let records: PaxRecords

  func entry(contentAt offset: Int) throws(ParseError) -> TarEntry {
    let rawName = records["GNU.sparse.name"] ?? records["path"] ?? longName ?? header.name
    let kind = try kind(isDirectoryName: rawName.last == UInt8(ascii: "/"))
    let size = try size(of: kind, key: "size", field: TarHeaderBlock.sizeField)
    let (end, overflow) = offset.addingReportingOverflow(size)
    // Leave room for the padding.
    guard !overflow, end <= Int.max - TarHeaderBlock.size else {
      throw error(.range, "the entry is too large")
    }
    let isLink = kind == .hardLink || kind == .symbolicLink
    return TarEntry(
      path: ArchivePath(normalizing: rawName), rawName: rawName, kind: kind, size: size,
      realSize: try realSize(kind, size),
      mode: try header.number(TarHeaderBlock.modeField, in: 0...0o777_7777, name: "the file mode") & 0o7777,
      owner: try identifier("uid", TarHeaderBlock.ownerField), group: try identifier("gid", TarHeaderBlock.groupField),
      ownerName: text("uname", TarHeaderBlock.userField), groupName: text("gname", TarHeaderBlock.groupNameField),
      modified: try modified(),
      rawLink: isLink ? records["linkpath"] ?? longLink ?? header.text(TarHeaderBlock.linkField) : [],
      device: try device(of: kind), paxRecords: records.all, start: extensions.first?.header.offset ?? header.offset,
      contentRange: offset..<end, header: header, extensions: extensions)
  }

  private func kind(isDirectoryName: Bool) throws(ParseError) -> TarEntry.Kind {
    switch header.type {
    case UInt8(ascii: "0"), UInt8(ascii: "7"), 0:
      if records["GNU.sparse.realsize"] ?? records["GNU.sparse.size"] != nil { return .sparseFile }
      // Old tars have no type for directories; dpkg and GNU tar go by the trailing slash.
      return isDirectoryName ? .directory : .file
    case UInt8(ascii: "1"): return .hardLink
    case UInt8(ascii: "2"): return .symbolicLink
    case UInt8(ascii: "3"): return .characterDevice
    case UInt8(ascii: "4"): return .blockDevice
    case UInt8(ascii: "5"): return .directory
    case UInt8(ascii: "6"): return .fifo
    case UInt8(ascii: "S"): return .sparseFile
    default: return .other(header.type)
    }
  }

  /// Allows content only for files: some programs skip the content of a link or directory, others read it as a header.
  private func size(of kind: TarEntry.Kind, key: String, field: Range<Int>) throws(ParseError) -> Int {
    let size = try number(key, field: field, in: 0...Int.max, name: "the file size")
    switch kind {
    case .file, .sparseFile, .other: return size
    default:
      guard size == 0 else { throw error(.range, "the entry is not a file, but has \(size) bytes of content") }
      return 0
    }
  }

  private func realSize(_ kind: TarEntry.Kind, _ size: Int) throws(ParseError) -> Int {
    guard kind == .sparseFile else { return size }
    if header.type == UInt8(ascii: "S") {
      return try header.number(483..<495, in: 0...Int.max, name: "the sparse file's size")
    }
    let record = records["GNU.sparse.realsize"] ?? records["GNU.sparse.size"] ?? []
    guard let value = Int(String(decoding: record, as: UTF8.self)), value >= 0 else {
      throw error(.range, "the sparse file's size is not a number")
    }
    return value
  }

  private func identifier(_ key: String, _ field: Range<Int>) throws(ParseError) -> Int {
    try number(key, field: field, in: 0...Int(UInt32.max), name: "the user or group ID")
  }

  private func modified() throws(ParseError) -> Int {
    guard let record = records["mtime"] else {
      return try header.number(TarHeaderBlock.timeField, in: Int.min...Int.max, name: "the modification time")
    }
    let parts = record.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let fraction = parts.count == 2 ? parts[1] : []
    guard parts.count <= 2, let seconds = Int(String(decoding: parts[0], as: UTF8.self)), seconds > Int.min,
      fraction.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { throw error(.range, "the modification time is not a number") }
    let isNegative = record.first == UInt8(ascii: "-")
    return isNegative && fraction.contains { $0 != UInt8(ascii: "0") } ? seconds - 1 : seconds
  }

  private func device(of kind: TarEntry.Kind) throws(ParseError) -> [Int]? {
    guard kind == .characterDevice || kind == .blockDevice else { return nil }
    return [
      try header.number(TarHeaderBlock.majorField, in: 0...Int(UInt32.max), name: "the device number"),
      try header.number(TarHeaderBlock.minorField, in: 0...Int(UInt32.max), name: "the device number"),
    ]
  }

  private func number(
    _ key: String, field: Range<Int>, in range: ClosedRange<Int>, name: Message
  ) throws(ParseError) -> Int {
    guard let record = records[key] else { return try header.number(field, in: range, name: name) }
    guard let value = Int(String(decoding: record, as: UTF8.self)), range.contains(value) else {
      throw error(.range, "\(name) is not a number or is out of range")
    }
    return value
  }

  private func text(_ key: String, _ field: Range<Int>) -> String {
    let bytes = records[key] ?? (header.dialect == .v7 ? [] : header.text(field))
    return String(decoding: bytes, as: UTF8.self)
  }

  private func error(_ rule: ParseError.Rule, _ detail: Message) -> ParseError {
    ParseError(TarHeaderBlock.format, at: header.offset, rule, detail)
  }
}
