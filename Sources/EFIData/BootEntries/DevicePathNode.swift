// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// One node of a device path (UEFI 2.10 section 10.3): a type, a subtype and data whose meaning depends on both.
///
/// Only nodes for a partition and a file are interpreted; all others are kept and written back unchanged.
package struct DevicePathNode: Hashable, Sendable {
  package let type: UInt8
  package let subtype: UInt8
  /// The bytes after the four-byte header; at most 65531.
  package let data: [UInt8]

  static let format = "EFI_DEVICE_PATH_PROTOCOL"
  static let headerSize = 4
  private static let media: UInt8 = 0x04

  /// Throws `range` for more data than the 16-bit length of a node allows.
  package init(type: UInt8, subtype: UInt8, data: [UInt8]) throws(ParseError) {
    guard data.count <= Int(UInt16.max) - Self.headerSize else {
      throw ParseError(Self.format, at: 0, .range, "\(data.count) bytes do not fit in a device path node")
    }
    self.type = type
    self.subtype = subtype
    self.data = data
  }

  private init(end subtype: UInt8) {
    type = 0x7f
    self.subtype = subtype
    data = []
  }

  /// Reads one node.
  ///
  /// Throws `ParseError` for a length that does not match the node or the input.
  package init(parsing reader: inout ByteReader) throws(ParseError) {
    let start = reader.offset
    type = try reader.read()
    subtype = try reader.read()
    let length = try reader.readCount(UInt16.self)
    guard length >= Self.headerSize else {
      throw ParseError(Self.format, at: start + 2, .range, "a node of \(length) bytes is too short for its header")
    }
    data = Array(try reader.read(count: length - Self.headerSize))
    guard !isEnd || data.isEmpty else {
      throw ParseError(Self.format, at: start + 2, .range, "an end node contains \(data.count) bytes of data")
    }
  }

  package func serialize(into writer: inout ByteWriter) {
    writer.write(type)
    writer.write(subtype)
    writer.write(UInt16(clamping: Self.headerSize + data.count))
    writer.write(data)
  }

  /// The node that ends the whole path.
  static let endEntire = Self(end: 0xff)

  /// Whether the node ends a path or one instance of it.
  ///
  /// 0xff was used before UEFI instead of 0x7f; Linux accepts both.
  private var isEnd: Bool { type == 0x7f || type == 0xff }
  var endsPath: Bool { isEnd && subtype == 0xff }
  /// Whether another path to the same device follows.
  package var endsInstance: Bool { isEnd && !endsPath }
}

extension DevicePathNode {
  private static let hardDrive: UInt8 = 0x01
  private static let filePath: UInt8 = 0x04
  /// The last two bytes of a hard drive node, PartitionFormat and SignatureType: GPT with a GUID, or MBR with 32 bits.
  private static func kind(isMBR: Bool) -> [UInt8] { isMBR ? [0x01, 0x01] : [0x02, 0x02] }

  /// A hard drive node (section 10.3.5.1).
  package init(_ partition: PartitionLocation) {
    var writer = ByteWriter()
    writer.write(partition.number)
    writer.write(partition.startBlock)
    writer.write(partition.blockCount)
    writer.write(partition.guid.bytes)
    writer.write(Self.kind(isMBR: partition.isMBR))
    type = Self.media
    subtype = Self.hardDrive
    data = writer.bytes
  }

  /// The GPT or MBR partition of a hard drive node; nil for any other node, and for one without a signature.
  package var partition: PartitionLocation? {
    guard type == Self.media, subtype == Self.hardDrive, data.count == 38, let guid = GUID(bytes: data[20..<36])
    else { return nil }
    let isMBR = data.suffix(2) == Self.kind(isMBR: true)[...]
    guard isMBR ? data[24..<36].allSatisfy({ $0 == 0 }) : data.suffix(2) == Self.kind(isMBR: false)[...] else {
      return nil
    }
    var reader = ByteReader(data, format: Self.format)
    guard let number = try? reader.read(UInt32.self), let start = try? reader.read(UInt64.self),
      let count = try? reader.read(UInt64.self)
    else { return nil }
    return PartitionLocation(number: number, startBlock: start, blockCount: count, guid: guid, isMBR: isMBR)
  }

  /// A file path node (section 10.3.5.4).
  ///
  /// Throws `range` if the text is too long.
  package init(filePath text: String) throws(ParseError) {
    var writer = ByteWriter()
    for unit in text.utf16 { writer.write(unit) }
    writer.write(UInt16(0))
    try self.init(type: Self.media, subtype: Self.filePath, data: writer.bytes)
  }

  /// The text of a file path node, with backslashes; nil for any other node and for text that is not NUL-terminated
  /// UTF-16.
  package var filePathText: String? {
    guard type == Self.media, subtype == Self.filePath, data.count.isMultiple(of: 2) else { return nil }
    var units = stride(from: 0, to: data.count, by: 2).map { UInt16(data[$0]) | UInt16(data[$0 + 1]) << 8 }
    guard units.popLast() == 0, !units.contains(0) else { return nil }
    return String(validating: units, as: UTF16.self)
  }
}

extension DevicePathNode: CustomStringConvertible {
  /// The text form of UEFI 2.10 section 10.6.1.6: `HD(1,GPT,GUID,0x800,0x14000)`, `HD(1,MBR,0x1234abcd,0x800,0x14000)`,
  /// a path as is, and `Path(type,subtype,data)` for any other node.
  package var description: String {
    if let partition {
      let range = "0x\(String(partition.startBlock, radix: 16)),0x\(String(partition.blockCount, radix: 16))"
      let signature = partition.isMBR ? "MBR,0x\(partition.guid.description.prefix(8))" : "GPT,\(partition.guid)"
      return "HD(\(partition.number),\(signature),\(range))"
    }
    return filePathText ?? "Path(\(type),\(subtype)\(data.isEmpty ? "" : ",")\(data.hexadecimal))"
  }
}
