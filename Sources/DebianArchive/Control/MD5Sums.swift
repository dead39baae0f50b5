// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// The `md5sums` of a package's control archive (deb-md5sums(5)): lines of 32 hexadecimal digits, two blanks and a path
/// from the root.
///
/// Lines that are not changed are written back as they were.
package struct MD5Sums: Hashable, Sendable {
  private struct Line: Hashable, Sendable {
    var path: ArchivePath
    /// With its line feed.
    var bytes: [UInt8]
  }

  private var lines: [Line] = []
  private var indices: [ArchivePath: Int] = [:]

  static let format = "md5sums"
  private static let digestCount = 32
  /// The largest packages have a hundred thousand files.
  private static let lineLimit = 1 << 18

  /// An empty list, for a package that has none.
  package init() {}

  /// Throws `ParseError` for a line of another form, an unsafe path and a path that is there twice.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let line = rest.firstIndex(of: 0x0a).map { rest[...$0] } ?? rest
      let path = try Self.path(of: line)
      guard indices[path] == nil else {
        throw ParseError(Self.format, at: line.startIndex, .overlap, "\(path) is there twice")
      }
      guard lines.count < Self.lineLimit else {
        throw ParseError(Self.format, at: line.startIndex, .range, "it has more than \(Self.lineLimit) lines")
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
    // A star stands for binary mode.
    guard digest.count == digestCount, [UInt8](hexadecimal: String(decoding: digest, as: UTF8.self)) != nil,
      separator.elementsEqual("  ".utf8) || separator.elementsEqual(" *".utf8), !name.isEmpty
    else { throw ParseError(format, at: line.startIndex, .encoding, "a line is not a digest and a path") }
    let path = ArchivePath(normalizing: name)
    guard path.isConfined, !path.bytes.isEmpty else {
      throw ParseError(format, at: line.startIndex, "path", "the path \(ArchivePath.printable(name)) is not safe")
    }
    return path
  }

  /// In the order of the file.
  package var paths: [ArchivePath] { lines.map(\.path) }

  /// Whether a file below `directory` is listed.
  package func hasFile(below directory: ArchivePath) -> Bool {
    let prefix = directory.bytes + [UInt8(ascii: "/")]
    return lines.contains { $0.path.bytes.starts(with: prefix) }
  }

  package func serialize() -> [UInt8] { lines.flatMap(\.bytes) }

  /// The 16 bytes; nil if the path is not listed.
  package func digest(of path: ArchivePath) -> [UInt8]? {
    indices[path].flatMap {
      [UInt8](hexadecimal: String(decoding: lines[$0].bytes.prefix(Self.digestCount), as: UTF8.self))
    }
  }

  /// Sets the digest of a path: in its line, or in a new one where the order of bytes puts it.
  package mutating func set(_ path: ArchivePath, to digest: [UInt8]) {
    let digits = Array(digest.hexadecimal.utf8)
    if let index = indices[path] {
      lines[index].bytes.replaceSubrange(..<Self.digestCount, with: digits)
    } else {
      insert(Line(path: path, bytes: digits + Array("  ".utf8) + path.bytes + [0x0a]))
    }
  }

  /// Removes a line, if there is one.
  package mutating func remove(_ path: ArchivePath) {
    guard let index = indices[path] else { return }
    lines.remove(at: index)
    renumber()
  }

  /// Gives a line another path, and the place that goes with it; no change if there is none.
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
