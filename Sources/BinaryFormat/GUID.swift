// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// An EFI_GUID: 16 bytes of which the first three fields are little-endian (UEFI 2.10, appendix A).
package struct GUID: Hashable, Sendable {
  /// The bytes as in memory and files.
  package let bytes: [UInt8]

  /// A GUID from its 16 bytes in file order; nil for any other number of bytes.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    self.bytes = Array(bytes)
  }

  package init(parsing reader: inout ByteReader) throws(ParseError) { bytes = Array(try reader.read(count: 16)) }

  /// A GUID from `8-4-4-4-12` hexadecimal digits in either case; nil for any other text.
  package init?(_ text: String) {
    let groups = text.split(separator: "-", omittingEmptySubsequences: false)
    guard groups.map(\.count) == [8, 4, 4, 4, 12], let raw = [UInt8](hexadecimal: groups.joined()) else { return nil }
    bytes = Self.swapped(raw)
  }

  /// A random (version 4, variant 1) GUID from 16 random bytes; nil for any other number of bytes.
  package init?(random: [UInt8]) {
    guard random.count == 16 else { return nil }
    var raw = random
    raw[6] = raw[6] & 0x0f | 0x40
    raw[8] = raw[8] & 0x3f | 0x80
    bytes = Self.swapped(raw)
  }

  private static func swapped(_ raw: [UInt8]) -> [UInt8] {
    [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map { raw[$0] }
  }
}

extension GUID: CustomStringConvertible {
  /// Lower-case `8-4-4-4-12` digits, as in efivarfs and the UEFI specification.
  package var description: String {
    let text = Array(Self.swapped(bytes).hexadecimal)
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
    return groups.map { String(text[$0]) }.joined(separator: "-")
  }
}

extension GUID {
  /// The GUID with these fields, as specifications write constants: `last` has the digits of the last two groups.
  package init(_ first: UInt32, _ second: UInt16, _ third: UInt16, _ last: UInt64) {
    var writer = ByteWriter()
    writer.write(first)
    writer.write(second)
    writer.write(third)
    writer.write(last, .big)
    bytes = writer.bytes
  }
}
