// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// Text in a variable: little-endian UTF-16 up to a NUL (UEFI 2.10 section 2.3.1), which some writers omit.
package enum EFIText {
  /// The text before the first NUL; nil if it is not valid UTF-16.
  package static func parse(_ bytes: [UInt8]) -> String? {
    guard bytes.count.isMultiple(of: 2) else { return nil }
    let units = stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
    return String(validating: units.prefix { $0 != 0 }, as: UTF16.self)
  }

  /// The text and a NUL.
  package static func serialize(_ text: String) -> [UInt8] {
    var writer = ByteWriter()
    for unit in text.utf16 { writer.write(unit) }
    writer.write(UInt16(0))
    return writer.bytes
  }
}
