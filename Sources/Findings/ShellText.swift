// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension String {
  /// The text as one word of a POSIX shell, in single quotes if it needs them: names of files and modules come from
  /// outside, and commands are pasted.
  package var shellWord: String {
    let isPlain = !isEmpty && utf8.allSatisfy { Self.plain.contains($0) }
    guard !isPlain else { return self }
    // A single quote ends the quotation, is escaped, and starts the next one.
    return "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }

  private static let plain = Set(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-".utf8)
}
