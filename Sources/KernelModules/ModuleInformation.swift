// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// What a kernel module says about itself: `.modinfo`, texts `KEY=VALUE` that each end with a NUL byte, in a 64-bit ELF
/// file of a little-endian machine.
package struct ModuleInformation: Hashable, Sendable {
  /// In the order of the file; a key can occur more than once.
  package let fields: [(key: String, value: String)]

  private static let format = "kernel module"
  private static let name = Array(".modinfo".utf8)
  /// More bytes than any module's texts have.
  private static let textLimit = 1 << 20

  /// Finds the section by the section header table (System V ABI, chapter 4).
  ///
  /// Throws `ParseError` if it is not such an ELF file or has no `.modinfo`.
  package init(parsing content: [UInt8]) throws(ParseError) {
    var reader = ByteReader(content, format: Self.format)
    guard try reader.read(count: 6) == [0x7f, 0x45, 0x4c, 0x46, 2, 1] else {
      throw ParseError(Self.format, at: 0, .magic, "not a 64-bit little-endian ELF file")
    }
    try reader.seek(to: 0x28)
    let table = try Self.offset(&reader)
    try reader.seek(to: 0x3a)
    let size = try reader.readCount(UInt16.self)
    let count = try reader.readCount(UInt16.self)
    let names = try reader.readCount(UInt16.self)
    guard size == 64, names < count else {
      throw ParseError(Self.format, at: 0x3a, .range, "its section header table is invalid")
    }
    func section(_ index: Int) throws(ParseError) -> (name: Int, offset: Int, size: Int) {
      try reader.seek(to: table + 64 * index)
      let name = try reader.readCount(UInt32.self)
      try reader.seek(to: table + 64 * index + 24)
      return (name, try Self.offset(&reader), try Self.offset(&reader))
    }
    guard table <= content.count, content.count - table >= 64 * count else {
      throw ParseError(Self.format, at: 0x28, .truncated, "its section header table is truncated")
    }
    let texts = try section(names).offset
    for index in 0..<count {
      let (name, offset, size) = try section(index)
      guard texts <= content.count, name < content.count - texts, texts + name + Self.name.count < content.count,
        content[(texts + name)...].starts(with: Self.name + [0])
      else { continue }
      guard offset <= content.count, size <= content.count - offset, size <= Self.textLimit else {
        throw ParseError(Self.format, at: offset, .range, "its section .modinfo has \(size) bytes")
      }
      fields = content[offset..<offset + size].split(separator: 0).compactMap { text in
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        return (
          String(decoding: text[..<equals], as: UTF8.self), String(decoding: text[(equals + 1)...], as: UTF8.self)
        )
      }
      return
    }
    throw ParseError(Self.format, at: table, .magic, "it has no section .modinfo")
  }

  /// A 64-bit offset or size; throws `range` for one that no file has.
  private static func offset(_ reader: inout ByteReader) throws(ParseError) -> Int {
    let start = reader.offset
    let value = try reader.read(UInt64.self)
    guard value < 1 << 40 else { throw ParseError(format, at: start, .range, "the offset \(value) is too large") }
    return Int(value)
  }

  /// The first value of a key.
  package subscript(key: String) -> String? { fields.first { $0.key == key }?.value }

  /// The release of the kernel that the module is for: the first word of `vermagic`.
  package var kernel: String? { self["vermagic"].flatMap { $0.split(separator: " ").first.map(String.init) } }

  package static func == (a: Self, b: Self) -> Bool { a.fields.elementsEqual(b.fields, by: ==) }
  package func hash(into hasher: inout Hasher) { for (key, value) in fields { hasher.combine(key + value) } }
}
