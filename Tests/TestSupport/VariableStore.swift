// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import EFIData

/// The variables in an EDK2 flash image: each an AUTHENTICATED_VARIABLE_HEADER followed by name and data
/// (MdeModulePkg/Include/Guid/VariableFormat.h).
package struct VariableStore {
  package private(set) var variables: [EFIVariableName: EFIVariableContent] = [:]

  private static let headerSize = 60
  private static let startID: UInt16 = 0x55aa
  /// A variable that was added and not deleted.
  private static let present: UInt8 = 0x3f

  package init(parsing image: [UInt8]) throws {
    for offset in stride(from: 0, to: image.count - Self.headerSize, by: 4) {
      var reader = ByteReader(image[offset...], format: "variable store", startingAt: offset)
      guard try reader.read(UInt16.self) == Self.startID, try reader.read(UInt8.self) == Self.present else { continue }
      try reader.skip(1)
      let attributes = EFIVariableAttributes(rawValue: try reader.read())
      try reader.skip(8 + 16 + 4)
      let nameSize = try reader.readCount(UInt32.self)
      let dataSize = try reader.readCount(UInt32.self)
      let vendor = try GUID(parsing: &reader)
      var name = try reader.subReader(count: nameSize)
      var units: [UInt16] = []
      while !name.isAtEnd { units.append(try name.read()) }
      let text = String(decoding: units.dropLast(), as: UTF16.self)
      variables[EFIVariableName(name: text, vendor: vendor)] = EFIVariableContent(
        attributes: attributes, data: Array(try reader.read(count: dataSize)))
    }
  }
}
