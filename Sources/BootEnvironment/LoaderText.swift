// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Lines `key value` as systemd-boot reads them, in `loader.conf` and in entries of type 1 of the Boot Loader
/// Specification.
///
/// A line ends at a line feed or a carriage return; white space at its ends, empty lines and those that begin with `#`
/// do not count; key and value are separated by spaces and tabs; a line without a value says nothing; quotation marks
/// around a value are taken off. A NUL ends the text.
struct LoaderText {
  struct Setting: Hashable {
    var key: String
    var value: String
    /// Where the line stands in the text, without what ends it.
    var range: Range<Int>
  }

  let settings: [Setting]
  /// Where the text ends: at the first NUL or the end of the bytes.
  let end: Int

  init(parsing bytes: [UInt8]) {
    end = bytes.firstIndex(of: 0) ?? bytes.count
    var settings: [Setting] = []
    for line in bytes[..<end].split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
      let text = Self.trimmed(line)
      guard text.first != UInt8(ascii: "#"), let blank = text.firstIndex(where: Self.isBlank) else { continue }
      let value = Self.unquoted(text[blank...].drop(while: Self.isBlank))
      settings.append(
        Setting(
          key: String(decoding: text[..<blank], as: UTF8.self), value: String(decoding: value, as: UTF8.self),
          range: line.startIndex..<line.endIndex))
    }
    self.settings = settings
  }

  /// The values of a key in their order.
  func values(of key: String) -> [String] { settings.filter { $0.key == key }.map(\.value) }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = line.drop(while: isBlank)
    while let last = text.last, isBlank(last) { text.removeLast() }
    return text
  }

  private static func unquoted(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let quote = UInt8(ascii: "\"")
    return value.count >= 2 && value.first == quote && value.last == quote ? value.dropFirst().dropLast() : value
  }
}
