// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// The data of BootOrder: numbers of Boot#### variables in the order in which the firmware tries them (UEFI 2.10
/// section 3.3).
///
/// BootNext and BootCurrent contain just one.
package struct BootOrder: Hashable, Sendable {
  package var numbers: [UInt16]

  package init(_ numbers: [UInt16]) { self.numbers = numbers }

  /// Throws `truncated` for an incomplete number at the end.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: "BootOrder")
    numbers = []
    while !reader.isAtEnd { numbers.append(try reader.read()) }
  }

  package func serialize() -> [UInt8] {
    var writer = ByteWriter()
    for number in numbers { writer.write(number) }
    return writer.bytes
  }
}
