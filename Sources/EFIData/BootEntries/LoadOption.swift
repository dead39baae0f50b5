// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// An EFI_LOAD_OPTION, the data of a Boot#### variable (UEFI 2.10 section 3.1.3).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | Attributes |
/// | 4 | 2 | FilePathListLength |
/// | 6 | | Description, NUL-terminated UTF-16 |
/// | | | FilePathList: device paths; the first is the file to load |
/// | | | OptionalData, up to the end of the variable |
package struct LoadOption: Hashable, Sendable {
  package struct Attributes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// LOAD_OPTION_ACTIVE: the firmware tries it automatically, in boot order.
    package static let active = Self(rawValue: 0x01)
    /// LOAD_OPTION_HIDDEN: not shown in menus.
    package static let hidden = Self(rawValue: 0x08)
    /// LOAD_OPTION_CATEGORY: 0 for an option in the boot order, 0x100 for one that only the menu starts.
    package static let category = Self(rawValue: 0x1f00)
  }

  package var attributes: Attributes
  /// UTF-16 without the NUL, unchanged, since firmware also writes invalid text.
  private var descriptionUnits: [UInt16]
  /// The first is the file to load; the use of others is not specified.
  ///
  /// Some firmware has options without any path.
  package let paths: [DevicePath]
  package var optionalData: [UInt8]

  /// The text shown in menus; invalid code units become U+FFFD.
  ///
  /// Setting it drops everything from the first NUL on.
  package var description: String {
    get { String(decoding: descriptionUnits, as: UTF16.self) }
    set { descriptionUnits = Array(newValue.utf16.prefix { $0 != 0 }) }
  }

  /// The file it loads, if that is on a GPT or MBR partition.
  package var file: DevicePath.File? { paths.first?.file }

  /// Whether the optional data are nothing but marks that firmware appends to entries: `GO`, `NO`, `BO` or `RC`, with
  /// NUL bytes around them, such as `00 00 42 4f`.
  package var hasOnlyFirmwareMarks: Bool {
    var letters = optionalData.filter { $0 != 0 }[...]
    while ["GO", "NO", "BO", "RC"].contains(where: { letters.starts(with: $0.utf8) }) { letters = letters.dropFirst(2) }
    return letters.isEmpty
  }

  private static let format = "EFI_LOAD_OPTION"

  /// An active option that loads `file`.
  ///
  /// Throws `range` if the path is too long.
  package init(description: String, file: DevicePath.File, optionalData: [UInt8] = []) throws(ParseError) {
    let path = try DevicePath(file)
    guard path.size <= Int(UInt16.max) else {
      throw ParseError(Self.format, at: 4, .range, "the device path has \(path.size) bytes, more than 65535")
    }
    attributes = .active
    descriptionUnits = []
    paths = [path]
    self.optionalData = optionalData
    self.description = description
  }

  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: Self.format)
    attributes = Attributes(rawValue: try reader.read())
    let length = try reader.readCount(UInt16.self)
    descriptionUnits = []
    while true {
      let unit = try reader.read(UInt16.self)
      if unit == 0 { break }
      descriptionUnits.append(unit)
    }
    var list = try reader.subReader(count: length)
    var paths: [DevicePath] = []
    while !list.isAtEnd { paths.append(try DevicePath(parsing: &list)) }
    self.paths = paths
    optionalData = Array(reader.readToEnd())
  }

  package func serialize() -> [UInt8] {
    var list = ByteWriter()
    for path in paths { path.serialize(into: &list) }
    var writer = ByteWriter()
    writer.write(attributes.rawValue)
    writer.write(UInt16(clamping: list.count))
    for unit in descriptionUnits { writer.write(unit) }
    writer.write(UInt16(0))
    writer.write(list.bytes)
    writer.write(optionalData)
    return writer.bytes
  }
}
