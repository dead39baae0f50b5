// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A path with slashes, on the host or an ESP, as written.
///
/// The file system is not accessed.
package struct PathName: Hashable, Sendable {
  package let text: String

  package init(_ text: some StringProtocol) { self.text = String(text) }

  /// The components between the slashes, in order.
  ///
  /// Empty components, as in `/a//b/`, are skipped.
  package var components: [Substring] {
    // Split by bytes, as the kernel does: in Swift, a slash and a combining accent after it are one character.
    text.utf8.split(separator: Self.slash).map { Substring($0) }
  }

  /// The last component, without trailing slashes; empty if there is none.
  package var fileName: Substring {
    let end = endOfName
    return text[startOfName(endingAt: end)..<end]
  }

  /// The part before the last component, without trailing slashes.
  ///
  /// If that is empty, `/` for an absolute path and `.` for a relative one.
  package var directory: String {
    let name = text[..<startOfName(endingAt: endOfName)]
    guard let end = name.utf8.lastIndex(where: { $0 != Self.slash }) else { return isAbsolute ? "/" : "." }
    return String(name[...end])
  }

  package var isAbsolute: Bool { text.utf8.first == Self.slash }

  /// The path in lower case, for comparisons on FAT, which is not case-sensitive.
  package var folded: PathName { PathName(text.lowercased()) }

  /// Whether both name the same file on a FAT file system; both must have single slashes.
  package func isSameOnFAT(as other: PathName) -> Bool { folded == other.folded }

  /// Joins `directory` and `name` with one slash; `name` may itself be a path.
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
