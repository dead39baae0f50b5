// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Words for a command that people paste into a shell (POSIX.1-2017, Shell Command Language, 2.2).
enum ShellQuoting {
  private static let plain = Set("/._-+=:,%@abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".utf8)

  /// The text as one word.
  static func word(_ text: String) -> String {
    if !text.isEmpty, text.utf8.allSatisfy(plain.contains) { return text }
    return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// Whether a terminal shows and accepts the text as it is: no control characters, no damaged text.
  static func isTypable(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) && $0.value != 0xfffd }
  }
}
