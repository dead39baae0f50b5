// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The name of a file in a package, relative to its root: bytes between slashes, without `.` and empty components. The root
/// itself is the empty path. Equal if the bytes are, so that what names files on a host tells apart is told apart here.
package struct ArchivePath: Hashable, Sendable {
  /// Why a name may lead elsewhere than it seems, or harm who reads it.
  package enum Hazard: Hashable, Sendable, CaseIterable {
    case absolute
    case parent
    case emptyComponent
    case controlCharacter
    case tooLong
  }

  /// Without slashes at the ends.
  package let bytes: [UInt8]
  /// Of the name as it was given; nil for one that stays below the root and can be printed.
  package let hazard: Hazard?

  /// PATH_MAX and NAME_MAX of Linux.
  static let lengthLimit = 4096
  private static let componentLimit = 255

  /// The name as an archive has it: `./boot/`, `boot` and `boot/` are the same.
  package init(normalizing name: some Collection<UInt8>) {
    let slash = UInt8(ascii: "/")
    let dot = UInt8(ascii: ".")
    var components = name.split(separator: slash, omittingEmptySubsequences: false)
    // A slash at the end is a directory's.
    if components.count > 1, components.last?.isEmpty == true { components.removeLast() }
    let kept = components.filter { !$0.isEmpty && !$0.elementsEqual([dot]) }
    bytes = Array(kept.joined(separator: [slash]))
    hazard =
      if name.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
        .controlCharacter
      } else if name.first == slash {
        .absolute
      } else if components.contains(where: { $0.elementsEqual([dot, dot]) }) {
        .parent
      } else if components.contains(where: { $0.isEmpty }) {
        .emptyComponent
      } else if name.count >= Self.lengthLimit || components.contains(where: { $0.count > Self.componentLimit }) {
        .tooLong
      } else {
        nil
      }
  }

  package init(_ text: String) { self.init(normalizing: text.utf8) }

  /// Whether it names something below the root, in a way that can be printed.
  package var isConfined: Bool { hazard == nil }

  /// The directories above it, the nearest first, without the root.
  package var parents: [ArchivePath] {
    var result: [ArchivePath] = []
    var rest = bytes[...]
    while let slash = rest.lastIndex(of: UInt8(ascii: "/")) {
      rest = rest[..<slash]
      result.append(ArchivePath(normalizing: rest))
    }
    return result
  }

  /// Whether it begins with these bytes, as `boot/vmlinuz-`.
  package func hasPrefix(_ prefix: String) -> Bool { bytes.starts(with: prefix.utf8) }
  package func hasSuffix(_ suffix: String) -> Bool { bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
}

extension ArchivePath: ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self.init(text) }
}

extension ArchivePath: CustomStringConvertible {
  /// For people, on one line: what is not UTF-8 in it, or a control character, is replaced.
  package var description: String { Self.printable(bytes) }

  static func printable(_ name: some Collection<UInt8>) -> String {
    String(decoding: name.prefix(lengthLimit).map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
  }
}

extension ArchivePath: Comparable {
  /// By bytes, as `sort` has it in the C locale.
  package static func < (left: ArchivePath, right: ArchivePath) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}
