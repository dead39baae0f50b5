// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// An image's attribute certificate table: WIN_CERTIFICATE structures, each aligned to 8 bytes.
package struct CertificateTable: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    /// `WIN_CERT_REVISION_2_0`.
    package static let revision2: UInt16 = 0x0200
    /// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
    package static let signedData: UInt16 = 0x0002

    package var revision: UInt16
    package var type: UInt16
    /// The certificate as read, without the padding to 8 bytes.
    package var data: [UInt8]

    package init(revision: UInt16 = revision2, type: UInt16 = signedData, data: [UInt8]) {
      self.revision = revision
      self.type = type
      self.data = data
    }
  }

  package var entries: [Entry]

  package init(_ entries: [Entry] = []) { self.entries = entries }

  /// Reads a complete table at file offset `start`; EDK2 rejects all signatures of a table whose last entry is not
  /// padded to 8 bytes.
  package init(parsing bytes: [UInt8], at start: Int) throws(ParseError) {
    var reader = ByteReader(bytes[...], format: "certificate table", startingAt: start)
    entries = []
    while !reader.isAtEnd {
      let entryOffset = reader.offset
      let length = try reader.readCount(UInt32.self)
      guard length >= 8 else {
        throw ParseError(reader.format, at: entryOffset, .range, "entry length \(length) is less than 8")
      }
      let revision = try reader.read(UInt16.self)
      let type = try reader.read(UInt16.self)
      entries.append(Entry(revision: revision, type: type, data: Array(try reader.read(count: length - 8))))
      try reader.skip((8 - length % 8) % 8)
    }
  }

  /// Reads the table of an image; empty if the image has none.
  package init(of header: PEHeader, in source: any RandomAccessBytes) throws {
    guard let range = header.certificateTableRange else {
      self.init()
      return
    }
    guard range.count <= 1 << 20 else {
      throw ParseError(
        "certificate table", at: range.lowerBound, .range, "the table has \(range.count) bytes; at most 1 MiB is read")
    }
    let bytes = try source.readBytes(at: range.lowerBound, count: range.count, format: "certificate table")
    try self.init(parsing: bytes, at: range.lowerBound)
  }

  package func serialize(into writer: inout ByteWriter) {
    for entry in entries {
      writer.write(UInt32(entry.data.count + 8))
      writer.write(entry.revision)
      writer.write(entry.type)
      writer.write(entry.data)
      writer.pad(toMultipleOf: 8)
    }
  }

  /// The table's bytes, a multiple of 8.
  package var serialized: [UInt8] {
    var writer = ByteWriter()
    serialize(into: &writer)
    return writer.bytes
  }
}
