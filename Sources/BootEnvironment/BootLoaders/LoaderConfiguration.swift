// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// systemd-boot's settings, `loader/loader.conf` on an ESP.
///
/// pve-sb-uki sets the default entry, and until the keys are enrolled it can make systemd-boot enrol them without a
/// question. Proxmox's hook also sets the default each time it runs.
package enum LoaderConfiguration {
  /// From the root of the ESP.
  package static let path = "/loader/loader.conf"
  /// Bytes.
  package static let sizeLimit = 1 << 16

  /// The effective default entry, a name or a pattern; nil if there is none.
  ///
  /// The last of several lines takes effect.
  package static func defaultEntry(in text: [UInt8]) -> String? { setting(in: text)?.value }

  /// The text with `entry`, a file name in `loader/entries` or `EFI/Linux`, as the default.
  ///
  /// All other lines are unchanged, and so is the whole text if that is already the default.
  package static func text(_ text: [UInt8], withDefault entry: String) -> [UInt8] {
    let line = "default \(entry)"
    guard let present = setting(in: text) else { return appending(line, to: text) }
    if present.value == entry { return text }
    var changed = text
    changed.replaceSubrange(present.range, with: Array(line.utf8))
    return changed
  }

  /// Whether the text has nothing but a default that names pve-sb-uki's UKIs, so that the host itself does not use
  /// systemd-boot.
  package static func isOnlyOwn(_ text: [UInt8]) -> Bool {
    let settings = LoaderText(parsing: text).settings
    return !settings.isEmpty
      && settings.allSatisfy { $0.key == "default" && $0.value.lowercased().hasPrefix(UKIName.prefix) }
  }

  // MARK: Enrolment

  /// The comment before pve-sb-uki's `secure-boot-enroll force`, by which it is recognised.
  private static let enrolmentMark = "# pve-sb-uki removes this and the next line once the keys are enrolled"
  private static let enrolmentLine = "secure-boot-enroll force"

  /// Whether the text has pve-sb-uki's line that makes systemd-boot enrol keys without a question.
  package static func forcesEnrolment(_ text: [UInt8]) -> Bool { enrolmentRange(in: text) != nil }

  /// The text with a line that makes systemd-boot enrol the keys in `loader/keys/auto` without a question.
  ///
  /// systemd-boot reads the last of several lines, so lines of the administrator stay unchanged.
  package static func withForcedEnrolment(_ text: [UInt8]) -> [UInt8] {
    forcesEnrolment(text) ? text : appending("\(enrolmentMark)\n\(enrolmentLine)", to: text)
  }

  /// The text as it was before `withForcedEnrolment`; unchanged without such a line.
  package static func withoutForcedEnrolment(_ text: [UInt8]) -> [UInt8] {
    guard let range = enrolmentRange(in: text) else { return text }
    var shorter = text
    shorter.removeSubrange(range)
    return shorter
  }

  private static func enrolmentRange(in text: [UInt8]) -> Range<Int>? {
    let lines = Array("\(enrolmentMark)\n\(enrolmentLine)\n".utf8)
    guard text.count >= lines.count else { return nil }
    let starts = 0...(text.count - lines.count)
    return starts.first { text[$0] == lines[0] && text[$0...].starts(with: lines) }.map { $0..<($0 + lines.count) }
  }

  private static func appending(_ line: String, to text: [UInt8]) -> [UInt8] {
    let end = LoaderText(parsing: text).end
    let isOpen = end > 0 && text[end - 1] != 0x0a && text[end - 1] != 0x0d
    var longer = text
    longer.insert(contentsOf: (isOpen ? [0x0a] : []) + Array(line.utf8) + [0x0a], at: end)
    return longer
  }

  /// `@saved` is the last entry booted; systemd-boot ignores other words that start with `@`.
  private static func setting(in text: [UInt8]) -> LoaderText.Setting? {
    LoaderText(parsing: text).settings.last { setting in
      setting.key == "default" && (!setting.value.hasPrefix("@") || setting.value.lowercased() == "@saved")
    }
  }
}

/// `key value` lines as systemd-boot reads them, in `loader.conf` and in type 1 entries of the Boot Loader
/// Specification.
///
/// A line ends at a line feed or a carriage return. White space at its ends, empty lines and lines that start with `#`
/// are ignored. Spaces and tabs separate key and value. A line without a value is ignored. Quotation marks around a
/// value are removed. A NUL ends the text.
struct LoaderText {
  struct Setting: Hashable {
    var key: String
    var value: String
    /// The position of the line in the text, without its line end.
    var range: Range<Int>
  }

  let settings: [Setting]
  /// The end of the text: the first NUL or the end of the bytes.
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

  /// The values of a key, in order.
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
