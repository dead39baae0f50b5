// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A pathname with slashes, of the host or on an ESP, as it was written.
///
/// Nothing is looked up.
package struct PathName: Hashable, Sendable {
  package let text: String

  package init(_ text: some StringProtocol) { self.text = String(text) }

  /// What stands between the slashes, in order.
  ///
  /// Empty components, as in `/a//b/`, are left out.
  package var components: [Substring] {
    // By bytes, as the kernel splits: to Swift a slash and the accent after it are one character.
    text.utf8.split(separator: Self.slash).map { Substring($0) }
  }

  /// The last component, slashes at the end not counted; empty if there is none.
  package var fileName: Substring {
    let end = endOfName
    return text[startOfName(endingAt: end)..<end]
  }

  /// What stands before the last component, without slashes at the end.
  ///
  /// Where nothing does, it is `/` for an absolute path and `.` for a relative one.
  package var directory: String {
    let name = text[..<startOfName(endingAt: endOfName)]
    guard let end = name.utf8.lastIndex(where: { $0 != Self.slash }) else { return isAbsolute ? "/" : "." }
    return String(name[...end])
  }

  package var isAbsolute: Bool { text.utf8.first == Self.slash }

  /// The path in lower case, to compare it with others on FAT, which does not tell upper case from lower case.
  package var folded: PathName { PathName(text.lowercased()) }

  /// Whether both name the same file on a FAT file system, if both are written with single slashes.
  package func isSameOnFAT(as other: PathName) -> Bool { folded == other.folded }

  /// The path of what is called `name` in `directory`, with one slash between the two; `name` may be a path itself.
  package static func join(_ directory: String, _ name: some StringProtocol) -> String {
    let base = directory.utf8.last == slash ? String(directory.utf8.dropLast()) ?? "" : directory
    return name.utf8.first == slash ? base + name : "\(base)/\(name)"
  }

  private static let slash = UInt8(ascii: "/")

  private var endOfName: String.Index {
    text.utf8.lastIndex { $0 != Self.slash }.map(text.utf8.index(after:)) ?? text.startIndex
  }

  private func startOfName(endingAt end: String.Index) -> String.Index {
    text.utf8[..<end].lastIndex(of: Self.slash).map(text.utf8.index(after:)) ?? text.startIndex
  }
}
