// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The path of a file in a package, relative to its root, without `.` and empty components.
///
/// The root itself is the empty path. Paths are equal if their bytes are, as in the file system.
package struct ArchivePath: Hashable, Sendable {
  /// Why a name is unsafe to unpack or to print.
  package enum Hazard: Hashable, Sendable, CaseIterable {
    case absolute
    case parent
    case empty
    case controlCharacter
    case tooLong
    case tooDeep
  }

  /// Without leading or trailing slash.
  package let bytes: [UInt8]
  /// Hazard of the original name; nil if it stays below the root and can be printed.
  package let hazard: Hazard?

  /// PATH_MAX of Linux.
  static let lengthLimit = 4096
  /// NAME_MAX of Linux.
  private static let componentLimit = 255
  /// Directories above a file; kernel packages have about ten.
  private static let depthLimit = 64

  /// Normalises a name from an archive: `./boot/`, `.//boot`, `boot` and `boot/` are the same.
  package init(normalizing name: some Collection<UInt8>) {
    // A single pass without splitting into components, for speed: a package has thousands of names.
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
    // A trailing slash marks a directory.
    if kept.count > start { found.endComponent(&kept, from: start) }
    if kept.last == slash { kept.removeLast() }
    bytes = kept
    hazard =
      if found.hasControl {
        .controlCharacter
      } else if name.first == slash {
        .absolute
      } else if found.hasParent {
        .parent
      } else if name.isEmpty {
        .empty
      } else if found.depth > Self.depthLimit {
        .tooDeep
      } else if name.count >= Self.lengthLimit || found.hasLong {
        .tooLong
      } else {
        nil
      }
  }

  /// Properties of a name's components.
  private struct Findings {
    var hasControl = false
    var hasParent = false
    var hasLong = false
    var depth = 0

    /// Checks the component that starts at `start`, and removes it if it is `.`.
    mutating func endComponent(_ kept: inout [UInt8], from start: Int) {
      let dot = UInt8(ascii: ".")
      switch kept.count - start {
      case 0: return
      case 1 where kept[start] == dot: kept.removeLast()
      case 2 where kept[start] == dot && kept[start + 1] == dot: hasParent = true
      case ArchivePath.componentLimit + 1..<Int.max: hasLong = true
      default: break
      }
      depth += 1
    }
  }

  package init(_ text: String) { self.init(normalizing: text.utf8) }

  /// Whether the path stays below the root and can be printed.
  package var isConfined: Bool { hazard == nil }

  /// The parent directories, nearest first, without the root.
  package var parents: [ArchivePath] {
    var result: [ArchivePath] = []
    var rest = bytes[...]
    while let slash = rest.lastIndex(of: UInt8(ascii: "/")) {
      rest = rest[..<slash]
      result.append(ArchivePath(normalizing: rest))
    }
    return result
  }

  /// The name without directories; empty for the root.
  package var lastComponent: ArraySlice<UInt8> {
    bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[($0 + 1)...] } ?? bytes[...]
  }

  /// Whether the path is in `directory` or one of its subdirectories.
  package func isBelow(_ directory: ArchivePath) -> Bool {
    let count = directory.bytes.count
    return bytes.count > count && bytes[count] == UInt8(ascii: "/") && bytes.starts(with: directory.bytes)
  }

  /// Whether the path starts with these bytes, such as `boot/vmlinuz-`.
  package func hasPrefix(_ prefix: String) -> Bool { bytes.starts(with: prefix.utf8) }
  package func hasSuffix(_ suffix: String) -> Bool { bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
}

extension ArchivePath: ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self.init(text) }
}

extension ArchivePath: CustomStringConvertible {
  /// The path on one line, with invalid UTF-8 and control characters replaced.
  package var description: String { Self.printable(bytes) }

  static func printable(_ name: some Collection<UInt8>) -> String {
    String(decoding: name.prefix(lengthLimit).map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
  }
}

extension ArchivePath: Comparable {
  /// Compares by bytes, like `sort` in the C locale.
  package static func < (left: ArchivePath, right: ArchivePath) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}
