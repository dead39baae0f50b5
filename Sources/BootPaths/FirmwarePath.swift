// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

/// A path in firmware's form, with backslashes, as it is found in variables: hostile until checked.
enum FirmwarePath {
  /// Characters; far more than a path on FAT has.
  private static let lengthLimit = 1024

  /// Why the path in `text` cannot be followed; nil if it can.
  static func defect(of text: String) -> Message? {
    guard text.utf8.count <= 4 * lengthLimit, text.utf16.count <= lengthLimit else {
      return "its path has more than \(lengthLimit) characters"
    }
    let names = names(in: text)
    if names.isEmpty { return "its path is empty" }
    if names.contains(where: { $0 == "." || $0 == ".." }) { return "its path contains '.' or '..'" }
    if text.utf8.contains(0) { return "its path contains a NUL" }
    return text.utf8.contains(UInt8(ascii: "/")) ? "its path contains a slash" : nil
  }

  /// The names between the backslashes.
  ///
  /// Split by bytes: in Swift, a backslash and a combining accent after it are one character.
  static func names(in text: String) -> [Substring] {
    text.utf8.split(separator: UInt8(ascii: "\\")).map { Substring($0) }
  }

  /// The path with slashes, from the root of the partition.
  static func path(in text: String) -> String { names(in: text).map { "/" + $0 }.joined() }
}
