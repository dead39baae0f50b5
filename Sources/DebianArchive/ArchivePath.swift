// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The name of a file in a package, relative to its root: bytes between slashes, without `.` and empty components.
///
/// The root itself is the empty path. Equal if the bytes are, so that what names files on a host tells apart is told
/// apart here.
package struct ArchivePath: Hashable, Sendable {
  /// Why a name may lead elsewhere than it seems, or harm its reader.
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
    // One pass without components of their own: a package has thousands of names.
    let slash = UInt8(ascii: "/")
    var kept: [UInt8] = []
    kept.reserveCapacity(name.count)
    var found = Findings()
    var start = 0
    for byte in name {
      if byte == slash {
        found.endComponent(&kept, from: start)
        if kept.count > start { kept.append(slash) }
        start = kept.count
      } else {
        found.hasControl = found.hasControl || byte < 0x20 || byte == 0x7f
        kept.append(byte)
      }
    }
    // A slash at the end is a directory's.
    if kept.count > start || name.isEmpty { found.endComponent(&kept, from: start) }
    if kept.last == slash { kept.removeLast() }
    bytes = kept
    hazard =
      if found.hasControl {
        .controlCharacter
      } else if name.first == slash {
        .absolute
      } else if found.hasParent {
        .parent
      } else if found.hasEmpty {
        .emptyComponent
      } else if name.count >= Self.lengthLimit || found.hasLong {
        .tooLong
      } else {
        nil
      }
  }

  /// What the components of a name are like.
  private struct Findings {
    var hasControl = false
    var hasParent = false
    var hasEmpty = false
    var hasLong = false

    /// Looks at the component that begins at `start`, and takes it away if it is `.`.
    mutating func endComponent(_ kept: inout [UInt8], from start: Int) {
      let dot = UInt8(ascii: ".")
      switch kept.count - start {
      case 0: hasEmpty = true
      case 1 where kept[start] == dot: kept.removeLast()
      case 2 where kept[start] == dot && kept[start + 1] == dot: hasParent = true
      case ArchivePath.componentLimit + 1..<Int.max: hasLong = true
      default: break
      }
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
