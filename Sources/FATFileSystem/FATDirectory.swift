// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An entry in a directory ("FAT32 File System Specification 1.03", FAT Directory Structure).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 11 | 8.3 name; first byte 0 or E5h in a free slot, 05h for E5h |
/// | 11 | 1 | attributes |
/// | 12 | 1 | Windows NT: bit 3 if the name, bit 4 if the extension is lower case |
/// | 20 | 2 | upper half of the first cluster, FAT32 only |
/// | 26 | 2 | lower half |
/// | 28 | 4 | size in bytes, 0 for a directory |
struct FATDirectoryEntry: Hashable, Sendable {
  /// The long name if it is valid, otherwise the 8.3 name.
  let name: String
  let isDirectory: Bool
  let firstCluster: UInt32
  let size: Int
  /// The 32 bytes with the 8.3 name.
  let record: [UInt8]
  /// Offset of the record on the device, then those of the long name's slots, backwards.
  let slots: [Int]

  static let slotSize = 32
  static let deletedMark: UInt8 = 0xe5
  private static let (volumeAttribute, directoryAttribute): (UInt8, UInt8) = (0x08, 0x10)

  /// Nil for a volume label and for the entries `.` and `..`.
  init?(_ record: [UInt8], longName: FATLongName?, at offset: Int, kind: FATBootSector.Kind) {
    guard record[11] & Self.volumeAttribute == 0, !Self.isDot(record, 1), !Self.isDot(record, 2) else { return nil }
    let longName = longName.flatMap { $0.isComplete(for: record) ? $0 : nil }
    name = longName?.text ?? Self.shortName(of: record)
    isDirectory = record[11] & Self.directoryAttribute != 0
    let upper: UInt32 = kind == .fat32 ? UInt32(record[20]) << 16 | UInt32(record[21]) << 24 : 0
    firstCluster = upper | UInt32(record[27]) << 8 | UInt32(record[26])
    size = (28..<32).reversed().reduce(0) { $0 << 8 | Int(record[$1]) }
    self.record = record
    slots = [offset] + (longName?.slots.reversed() ?? [])
  }

  /// Whether `cluster`, the first of a directory other than the root, starts with the entries `.` and `..`.
  static func beginsDirectory(_ cluster: [UInt8]) -> Bool {
    let (first, second) = (Array(cluster[..<slotSize]), Array(cluster[slotSize..<2 * slotSize]))
    return isDot(first, 1) && isDot(second, 2) && [first, second].allSatisfy { $0[11] & directoryAttribute != 0 }
  }

  /// Whether the 8.3 name consists of that many dots.
  private static func isDot(_ record: [UInt8], _ count: Int) -> Bool {
    (0..<11).allSatisfy { record[$0] == UInt8(ascii: $0 < count ? "." : " ") }
  }

  /// The 8.3 name as Linux shows it by default.
  ///
  /// Invalid characters become U+FFFD.
  private static func shortName(of record: [UInt8]) -> String {
    func text(_ bytes: some BidirectionalCollection<UInt8>, isLowerCase: Bool) -> String {
      let trimmed: [UInt8] = bytes.reversed().drop { $0 == 0x20 }.reversed()
      let folded = trimmed.map { isLowerCase && 0x41...0x5a ~= $0 ? $0 | 0x20 : $0 }
      return String(String.UnicodeScalarView(folded.map(scalar)))
    }
    let first = record[0] == 0x05 ? deletedMark : record[0]
    let name = text([first] + record[1..<8], isLowerCase: record[12] & 0x08 != 0)
    let suffix = text(record[8..<11], isLowerCase: record[12] & 0x10 != 0)
    return suffix.isEmpty ? name : "\(name).\(suffix)"
  }

  private static func scalar(_ byte: UInt8) -> Unicode.Scalar {
    switch byte {
    case 0..<0x20, 0x2f, 0x7f: "\u{fffd}"
    case 0x20..<0x7f: Unicode.Scalar(byte)
    default: upperHalf[Int(byte) - 0x80]
    }
  }

  /// Code page 437, which Linux assumes for 8.3 names.
  private static let upperHalf = Array(
    """
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}
    """.unicodeScalars)
}

/// A long name, whose slots are before the 8.3 entry, last part first (FAT Long Directory Entries).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | number of the part from 1, 40h added in the last part |
/// | 1 | 10 | UTF-16 |
/// | 11 | 1 | attributes, 0Fh |
/// | 13 | 1 | checksum of the 8.3 name |
/// | 14 | 12 | UTF-16 |
/// | 28 | 4 | UTF-16 |
struct FATLongName {
  private(set) var slots: [Int] = []
  private let checksum: UInt8
  /// The number of the part read last.
  private var part: UInt8
  private var units: [UInt16] = []

  private static let lastPart: UInt8 = 0x40
  /// At most 255 units.
  private static let partLimit: UInt8 = 20
  private static let unitLimit = 255

  /// Starts a name with the slot of its last part; nil for a slot of another part.
  init?(_ record: [UInt8], at offset: Int) {
    part = (record[0] & ~Self.lastPart) &+ 1
    guard record[0] & Self.lastPart != 0, 2...Self.partLimit + 1 ~= part else { return nil }
    checksum = record[13]
    guard add(record, at: offset) else { return nil }
  }

  /// Whether the slot belongs to a long name.
  static func isPart(_ record: [UInt8]) -> Bool { record[11] & 0x3f == 0x0f }

  /// Adds the slot of the preceding part; false if the slot does not match.
  mutating func add(_ record: [UInt8], at offset: Int) -> Bool {
    guard part > 1, record[0] & ~(units.isEmpty ? Self.lastPart : 0) == part - 1, record[13] == checksum else {
      return false
    }
    part -= 1
    slots.append(offset)
    let offsets = [Array(stride(from: 1, to: 11, by: 2)), Array(stride(from: 14, to: 26, by: 2)), [28, 30]]
    units = offsets.joined().map { UInt16(record[$0]) | UInt16(record[$0 + 1]) << 8 } + units
    return true
  }

  /// Whether all parts are present and belong to the 8.3 entry `record`.
  func isComplete(for record: [UInt8]) -> Bool { part == 1 && checksum == Self.checksum(of: record) }

  /// The name; nil if it is not UTF-16 or invalid as a long name.
  var text: String? {
    let units = units.prefix { $0 != 0 }
    guard 1...Self.unitLimit ~= units.count, let text = String(validating: units, as: UTF16.self), text != ".",
      text != "..", !text.utf8.contains(where: { $0 < 0x20 || Self.forbidden.contains($0) })
    else { return nil }
    return text
  }

  private static let forbidden = Array("\"*/:<>?\\|".utf8)

  /// The checksum of an 8.3 name.
  static func checksum(of record: [UInt8]) -> UInt8 {
    record[..<11].reduce(0) { ($0 >> 1 | $0 << 7) &+ $1 }
  }
}

/// Parses the slots of one directory, which are added in order.
///
/// A slot that was never used does not end the directory, unlike in the specification: Linux and fsck.fat(8) continue
/// reading, and after a power cut the start of a name can be missing while its end exists.
struct FATDirectoryParser {
  let kind: FATBootSector.Kind
  private var longName: FATLongName?

  init(_ kind: FATBootSector.Kind) { self.kind = kind }

  /// The entry that ends with this slot.
  mutating func add(_ record: [UInt8], at offset: Int) -> FATDirectoryEntry? {
    if record[0] == 0 || record[0] == FATDirectoryEntry.deletedMark {
      longName = nil
      return nil
    }
    if FATLongName.isPart(record) {
      if longName?.add(record, at: offset) != true { longName = FATLongName(record, at: offset) }
      return nil
    }
    defer { longName = nil }
    return FATDirectoryEntry(record, longName: longName, at: offset, kind: kind)
  }
}
