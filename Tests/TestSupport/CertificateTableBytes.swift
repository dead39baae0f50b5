// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// Certificate tables put together byte by byte, also invalid ones, independently of the code under test.
package enum CertificateTableBytes {
  /// A WIN_CERTIFICATE with padding to 8 bytes; `length` replaces the right length.
  package static func entry(
    _ data: [UInt8], type: UInt16 = 2, revision: UInt16 = 0x200, length: Int? = nil, padded: Bool = true
  ) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(UInt32(length ?? data.count + 8))
    writer.write(revision)
    writer.write(type)
    writer.write(data)
    if padded { writer.pad(toMultipleOf: 8) }
    return writer.bytes
  }

  /// The unsigned PE32+ image with this table after it, padded to 8 bytes in between; `size` replaces the table's size in
  /// the directory.
  package static func image(_ image: [UInt8], _ table: [UInt8], size: Int? = nil) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(image)
    writer.pad(toMultipleOf: 8)
    let start = writer.count
    writer.write(table)
    // The PE signature, the COFF header, the optional header up to the directories, and four directories.
    let directory = peOffset(image) + 24 + 112 + 4 * 8
    writer.patch(UInt32(start), at: directory)
    writer.patch(UInt32(size ?? table.count), at: directory + 4)
    return writer.bytes
  }

  /// The table of a signed image.
  package static func table(of image: [UInt8]) -> [UInt8] {
    let directory = peOffset(image) + 24 + 112 + 4 * 8
    let (start, size) = (integer(image, directory), integer(image, directory + 4))
    return Array(image[start..<start + size])
  }

  /// The data of the first entry of a signed image.
  package static func firstSignature(of image: [UInt8]) -> [UInt8] {
    let table = table(of: image)
    return Array(table[8..<integer(table, 0)])
  }

  private static func peOffset(_ image: [UInt8]) -> Int { integer(image, 0x3c) }

  private static func integer(_ bytes: [UInt8], _ offset: Int) -> Int {
    (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
  }
}
