// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// Attributes of a UEFI variable (UEFI 2.10 section 8.2.1).
package struct EFIVariableAttributes: OptionSet, Hashable, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let nonVolatile = Self(rawValue: 0x01)
  package static let bootServiceAccess = Self(rawValue: 0x02)
  package static let runtimeAccess = Self(rawValue: 0x04)
  package static let timeBasedAuthenticatedWriteAccess = Self(rawValue: 0x20)
  /// Of a request only: adds to the variable instead of replacing it.
  package static let appendWrite = Self(rawValue: 0x40)

  /// The attributes of Boot####, BootOrder and BootNext: 0x07.
  package static let bootManager: Self = [.nonVolatile, .bootServiceAccess, .runtimeAccess]
  /// The attributes of PK, KEK, db and dbx: 0x27.
  package static let keyDatabase: Self = [
    .nonVolatile, .bootServiceAccess, .runtimeAccess, .timeBasedAuthenticatedWriteAccess,
  ]
}

/// The content of a file in efivarfs: the attributes in 4 bytes, then the variable's data.
package struct EFIVariableContent: Hashable, Sendable {
  package var attributes: EFIVariableAttributes
  package var data: [UInt8]

  package init(attributes: EFIVariableAttributes, data: [UInt8]) {
    self.attributes = attributes
    self.data = data
  }

  /// Throws `truncated` if the file is too short for the attributes.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: "efivarfs file")
    attributes = EFIVariableAttributes(rawValue: try reader.read())
    data = Array(reader.readToEnd())
  }

  package func serialize() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(attributes.rawValue)
    writer.write(data)
    return writer.bytes
  }
}
