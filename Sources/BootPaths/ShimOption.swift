// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import EFIData
internal import HostSystem

/// What the optional data of a boot entry tell shim to start (rhboot/shim 16.1, `load-options.c`).
package enum ShimOption: Hashable, Sendable {
  /// Nothing: shim starts its default, `grubx64.efi` in its own directory.
  case defaultLoader
  /// A file, from the root of shim's partition.
  case file(String)

  /// A GUID with which EDK2 marks the entries that it creates itself.
  private static let firmwareMark = GUID(0x8108_ac4e, 0x9f11, 0x4d59, 0x850e_e21a_522c_59b2)

  /// `shim` is shim's own path.
  package init(parsing data: [UInt8], shim: String) {
    self = .defaultLoader
    guard data.count.isMultiple(of: 2) else { return }
    var data = data[...]
    if data.count > 16, data.suffix(16).elementsEqual(Self.firmwareMark.bytes) { data = data.dropLast(16) }
    guard data.count >= 2, data.prefix(2) != [0, 0] else { return }
    // Some firmware passes the whole load option.
    if let option = try? LoadOption(parsing: Array(data)), !option.paths.isEmpty { data = option.optionalData[...] }
    let bytes = Array(data)
    var units = stride(from: 0, to: bytes.count - 1, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }[...]
    guard var word = Self.word(&units) else { return }
    // The EFI shell passes shim's own path first.
    if Self.path(of: word, shim: shim).map({ PathName($0).isSameOnFAT(as: PathName(shim)) }) == true {
      guard let next = Self.word(&units) else { return }
      word = next
    }
    if !word.isEmpty, let path = Self.path(of: word, shim: shim) { self = .file(path) }
  }

  /// Removes the next word, which ends with a space or a NUL; nil without such an end.
  private static func word(_ units: inout ArraySlice<UInt16>) -> ArraySlice<UInt16>? {
    units = units.drop { $0 == 0x20 }
    guard let end = units.firstIndex(where: { $0 == 0x20 || $0 == 0 }) else { return nil }
    defer { units = units[(end + 1)...] }
    return units[..<end]
  }

  /// A path is one from the root only if it starts with `\EFI\` in capitals; otherwise its last name counts.
  ///
  /// Nil for text that is not UTF-16 or too long, and for names that lead elsewhere.
  private static func path(of word: ArraySlice<UInt16>, shim: String) -> String? {
    guard let text = String(validating: word, as: UTF16.self), FirmwarePath.defect(of: text) == nil else { return nil }
    if text.hasPrefix("\\EFI\\") { return FirmwarePath.path(in: text) }
    return FirmwarePath.names(in: text).last.map { PathName.join(PathName(shim).directory, $0) }
  }
}
