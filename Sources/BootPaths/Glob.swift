// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Matches names with shell patterns as systemd-boot does: `*`, `?`, `[…]`, and a backslash before a literal character.
///
/// Takes at most the product of both lengths in time, unlike fnmatch(3): patterns come from variables and files on ESPs.
enum Glob {
  /// Whether the whole name matches.
  static func matches(_ name: String, _ pattern: String) -> Bool {
    let (name, pattern) = (Array(name.unicodeScalars), Array(pattern.unicodeScalars))
    var (at, next) = (0, 0)
    // Where to continue after the last star: its position in the pattern, and the first character after its match.
    var (star, end) = (-1, 0)
    while at < name.count {
      if next < pattern.count, pattern[next] == "*" {
        (star, end) = (next, at)
        next += 1
      } else if let after = element(of: pattern, at: next, matching: name[at]) {
        at += 1
        next = after
      } else if star >= 0 {
        end += 1
        (at, next) = (end, star + 1)
      } else {
        return false
      }
    }
    return pattern[next...].allSatisfy { $0 == "*" }
  }

  /// The position after the element of the pattern, if that matches the character.
  private static func element(of pattern: [Unicode.Scalar], at start: Int, matching scalar: Unicode.Scalar) -> Int? {
    guard start < pattern.count else { return nil }
    switch pattern[start] {
    case "?": return start + 1
    case "\\" where start + 1 < pattern.count: return pattern[start + 1] == scalar ? start + 2 : nil
    case "[":
      guard let end = pattern[start...].dropFirst(2).prefix(64).firstIndex(of: "]") else { return nil }
      return contains(scalar, in: pattern[(start + 1)..<end]) ? end + 1 : nil
    case let literal: return literal == scalar ? start + 1 : nil
    }
  }

  private static func contains(_ scalar: Unicode.Scalar, in set: ArraySlice<Unicode.Scalar>) -> Bool {
    var rest = set
    while let first = rest.popFirst() {
      if rest.first == "-", rest.count > 1 {
        rest.removeFirst()
        let last = rest.removeFirst()
        if first <= last, first...last ~= scalar { return true }
      } else if first == scalar {
        return true
      }
    }
    return false
  }
}
