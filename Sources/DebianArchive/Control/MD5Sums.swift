// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// The `md5sums` file of a package's control archive (deb-md5sums(5)): lines of 32 hexadecimal digits, two spaces and a
/// path relative to the root.
///
/// Unchanged lines are written back byte for byte.
package struct MD5Sums: Hashable, Sendable {
  private struct Line: Hashable, Sendable {
    var path: ArchivePath
    /// Includes the line feed.
    var bytes: [UInt8]
  }

  private var lines: [Line] = []
  private var indices: [ArchivePath: Int] = [:]

  static let format = "md5sums"
  private static let digestCount = 32
  /// The largest packages have 100,000 files.
  private static let lineLimit = 1 << 18

  /// Creates an empty list, for a package without md5sums.
  package init() {}

  /// Parses the file; throws `ParseError` for an invalid line, an unsafe path or a duplicate path.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let line = rest.firstIndex(of: 0x0a).map { rest[...$0] } ?? rest
      let path = try Self.path(of: line)
      guard indices[path] == nil else {
        throw ParseError(Self.format, at: line.startIndex, .overlap, "duplicate path \(path)")
      }
      guard lines.count < Self.lineLimit else {
        throw ParseError(Self.format, at: line.startIndex, .range, "more than \(Self.lineLimit) lines")
      }
      indices[path] = lines.count
      lines.append(Line(path: path, bytes: Array(line)))
      rest = rest[line.endIndex...]
    }
  }

  private static func path(of line: ArraySlice<UInt8>) throws(ParseError) -> ArchivePath {
    let digest = line.prefix(digestCount)
    let separator = line.dropFirst(digestCount).prefix(2)
    var name = line.dropFirst(digestCount + 2)
    if name.last == 0x0a { name.removeLast() }
    // A star means binary mode.
    guard digest.count == digestCount, [UInt8](hexadecimal: String(decoding: digest, as: UTF8.self)) != nil,
      separator.elementsEqual("  ".utf8) || separator.elementsEqual(" *".utf8), !name.isEmpty
    else { throw ParseError(format, at: line.startIndex, .encoding, "invalid line; expected a digest and a path") }
    let path = ArchivePath(normalizing: name)
    guard path.isConfined, !path.bytes.isEmpty else {
      throw ParseError(format, at: line.startIndex, "path", "unsafe path \(ArchivePath.printable(name))")
    }
    return path
  }

  /// The paths in file order.
  package var paths: [ArchivePath] { lines.map(\.path) }

  /// Whether a file below `directory` is listed.
  package func hasFile(below directory: ArchivePath) -> Bool {
    let prefix = directory.bytes + [UInt8(ascii: "/")]
    return lines.contains { $0.path.bytes.starts(with: prefix) }
  }

  package func serialize() -> [UInt8] { lines.flatMap(\.bytes) }

  /// The 16 bytes of a path's digest; nil if the path is not listed.
  package func digest(of path: ArchivePath) -> [UInt8]? {
    indices[path].flatMap {
      [UInt8](hexadecimal: String(decoding: lines[$0].bytes.prefix(Self.digestCount), as: UTF8.self))
    }
  }

  /// Sets the digest of a path, in its line or in a new line in byte order.
  package mutating func set(_ path: ArchivePath, to digest: [UInt8]) {
    let digits = Array(digest.hexadecimal.utf8)
    if let index = indices[path] {
      lines[index].bytes.replaceSubrange(..<Self.digestCount, with: digits)
    } else {
      insert(Line(path: path, bytes: digits + Array("  ".utf8) + path.bytes + [0x0a]))
    }
  }

  /// Removes the line of a path, if it is listed.
  package mutating func remove(_ path: ArchivePath) {
    guard let index = indices[path] else { return }
    lines.remove(at: index)
    renumber()
  }

  /// Changes the path of a line and moves it to its new place; does nothing if the path is not listed.
  package mutating func rename(_ path: ArchivePath, to newPath: ArchivePath) {
    guard let digest = digest(of: path) else { return }
    remove(path)
    set(newPath, to: digest)
  }

  private mutating func insert(_ line: Line) {
    if let last = lines.last, last.bytes.last != 0x0a { lines[lines.count - 1].bytes.append(0x0a) }
    lines.insert(line, at: lines.firstIndex { line.path < $0.path } ?? lines.count)
    renumber()
  }

  private mutating func renumber() {
    indices = Dictionary(uniqueKeysWithValues: lines.enumerated().map { ($1.path, $0) })
  }
}
