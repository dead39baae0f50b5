// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// `Key=value` lines with blank lines and `#` comments between them.
package struct SettingsFile: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package var key: String
    /// Without white space at its ends; may be empty.
    package var value: String
    /// Line number, from 1; nil if the entry is not from a file.
    package var line: Int?
  }

  package let entries: [Entry]

  /// Parses a file; `path` is for messages.
  ///
  /// Throws `BootEnvironmentError` for the first line that is neither `Key=value`, blank nor a comment.
  package init(parsing content: [UInt8], path: String) throws {
    var entries: [Entry] = []
    for (index, line) in content.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
      let text = Self.trimmed(line)
      guard let first = text.first, first != UInt8(ascii: "#") else { continue }
      guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
        throw BootEnvironmentError(path, line: index + 1, "contains a control character")
      }
      guard let equals = text.firstIndex(of: UInt8(ascii: "=")), equals > text.startIndex else {
        throw BootEnvironmentError(path, line: index + 1, "expected Key=value", hint: "start comments with #")
      }
      let key = Self.trimmed(text[..<equals])
      let value = Self.trimmed(text[(equals + 1)...])
      entries.append(
        Entry(
          key: String(decoding: key, as: UTF8.self), value: String(decoding: value, as: UTF8.self), line: index + 1))
    }
    self.entries = entries
  }

  /// Removes spaces, tabs and carriage returns at both ends.
  package static func trimmed(_ text: String) -> String {
    String(decoding: trimmed(Array(text.utf8)[...]), as: UTF8.self)
  }

  /// The content with `key` assigned to `value`, which has no control characters.
  ///
  /// Replaces the last assignment, else the last comment `#key=…`, else adds a line at the end. All other lines and the
  /// line endings are kept byte for byte.
  package static func setting(_ key: String, to value: String, in content: [UInt8]) -> [UInt8] {
    let assignment = Array("\(key)=\(value)".utf8)
    var lines = content.split(separator: 0x0a, omittingEmptySubsequences: false)
    let isAssigned: (ArraySlice<UInt8>) -> Bool = { line in
      let text = trimmed(line)
      return text.firstIndex(of: UInt8(ascii: "=")).map { trimmed(text[..<$0]).elementsEqual(key.utf8) } ?? false
    }
    let comment = Array("#\(key)=".utf8)
    if let index = lines.lastIndex(where: isAssigned) ?? lines.lastIndex(where: { $0.starts(with: comment) }) {
      lines[index] = (assignment + (lines[index].last == 0x0d ? [0x0d] : []))[...]
      return Array(lines.joined(separator: [0x0a]))
    }
    let isTwoBytes = lines.count > 1 && lines[lines.count - 2].last == 0x0d
    let end: [UInt8] = isTwoBytes ? [0x0d, 0x0a] : [0x0a]
    return content + (content.isEmpty || content.last == 0x0a ? [] : end) + assignment + end
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
    var text = bytes.drop(while: isBlank)
    while let last = text.last, isBlank(last) { text.removeLast() }
    return text
  }
}
