// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// The `md5sums` file of a package's control archive (deb-md5sums(5)): lines of 32 hexadecimal digits, two spaces and a
/// path relative to the root.
///
/// dpkg does not read it when it installs a package, so this parser also accepts what hand-made packages contain: a
/// single blank, a leading slash, blank lines, CR LF, and a path that is listed more than once. Unchanged lines are
/// written back byte for byte.
package struct MD5Sums: Hashable, Sendable {
  private struct Line: Hashable, Sendable {
    /// Nil for a blank line.
    var path: ArchivePath?
    /// Includes the line end.
    var bytes: [UInt8]
    /// The previous line with the same path; nil for the first.
    var earlier: Int?
  }

  private var lines: [Line] = []
  /// The last line of each path, which is the one that `dpkg --verify` uses.
  private var indices: [ArchivePath: Int] = [:]

  static let format = "md5sums"
  private static let digestCount = 32
  /// The largest packages have 100,000 files.
  private static let lineLimit = 1 << 18

  /// Creates an empty list, for a package without md5sums.
  package init() {}

  /// Parses the file; throws `ParseError` for a line without digest and path, and for an unsafe path.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let line = rest.firstIndex(of: 0x0a).map { rest[...$0] } ?? rest
      let path = try Self.path(of: line)
      guard lines.count < Self.lineLimit else {
        throw ParseError(Self.format, at: line.startIndex, .range, "more than \(Self.lineLimit) lines")
      }
      append(Line(path: path, bytes: Array(line)))
      rest = rest[line.endIndex...]
    }
  }

  private mutating func append(_ line: Line) {
    var line = line
    if let path = line.path { line.earlier = indices.updateValue(lines.count, forKey: path) }
    lines.append(line)
  }

  /// The path in a line; nil for a blank line.
  private static func path(of line: ArraySlice<UInt8>) throws(ParseError) -> ArchivePath? {
    let text = withoutLineEnd(line)
    if text.allSatisfy(isBlank) { return nil }
    let digest = text.prefix(digestCount)
    var name = text.dropFirst(digestCount)
    guard digest.count == digestCount, [UInt8](hexadecimal: String(decoding: digest, as: UTF8.self)) != nil,
      name.first.map(isBlank) == true
    else { throw ParseError(format, at: line.startIndex, .encoding, "invalid line; expected a digest and a path") }
    name.removeFirst()
    // A second blank means text mode, a star binary mode.
    if let mode = name.first, isBlank(mode) || mode == UInt8(ascii: "*") { name.removeFirst() }
    guard !name.isEmpty else {
      throw ParseError(format, at: line.startIndex, .encoding, "invalid line; expected a digest and a path")
    }
    let path = ArchivePath(normalizing: name.drop { $0 == UInt8(ascii: "/") })
    guard path.isConfined, !path.bytes.isEmpty else {
      throw ParseError(format, at: line.startIndex, "path", "unsafe path \(ArchivePath.printable(name))")
    }
    return path
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  private static func withoutLineEnd(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let text = line.last == 0x0a ? line.dropLast() : line
    return text.last == 0x0d ? text.dropLast() : text
  }

  /// The paths in file order.
  package var paths: [ArchivePath] { lines.compactMap(\.path) }

  /// Whether a file below `directory` is listed.
  package func hasFile(below directory: ArchivePath) -> Bool {
    lines.contains { $0.path?.isBelow(directory) == true }
  }

  package func serialize() -> [UInt8] { lines.flatMap(\.bytes) }

  /// The 16 bytes of a path's digest; nil if the path is not listed.
  package func digest(of path: ArchivePath) -> [UInt8]? {
    indices[path].flatMap {
      [UInt8](hexadecimal: String(decoding: lines[$0].bytes.prefix(Self.digestCount), as: UTF8.self))
    }
  }

  /// Sets the digest of a path, in each of its lines or in a new line in byte order.
  package mutating func set(_ path: ArchivePath, to digest: [UInt8]) {
    var index = indices[path]
    guard index != nil else { return insert([path: digest]) }
    let digits = Array(digest.hexadecimal.utf8)
    while let line = index {
      lines[line].bytes.replaceSubrange(..<Self.digestCount, with: digits)
      index = lines[line].earlier
    }
  }

  /// Removes the lines of a path, if it is listed.
  package mutating func remove(_ path: ArchivePath) { remove([path]) }

  /// Changes paths, and moves their lines to their new places; ignores paths that are not listed.
  package mutating func rename(_ renames: [(old: ArchivePath, new: ArchivePath)]) {
    var renamed: [ArchivePath: [UInt8]] = [:]
    for (old, new) in renames { if let digest = digest(of: old) { renamed[new] = digest } }
    remove(Set(renames.map(\.old)))
    for path in renamed.keys where indices[path] != nil {
      if let digest = renamed.removeValue(forKey: path) { set(path, to: digest) }
    }
    insert(renamed)
  }

  private mutating func remove(_ paths: Set<ArchivePath>) {
    guard paths.contains(where: { indices[$0] != nil }) else { return }
    rebuild(lines.filter { line in line.path.map { !paths.contains($0) } ?? true })
  }

  /// Adds a line for each path, before the first line whose path sorts after it.
  private mutating func insert(_ digests: [ArchivePath: [UInt8]]) {
    guard !digests.isEmpty else { return }
    let lineEnd: [UInt8] = lines.first?.bytes.suffix(2).elementsEqual([0x0d, 0x0a]) == true ? [0x0d, 0x0a] : [0x0a]
    if let last = lines.last, last.bytes.last != 0x0a { lines[lines.count - 1].bytes += lineEnd }
    var added = digests.keys.sorted()[...]
    var merged: [Line] = []
    func add(_ path: ArchivePath) {
      let digits = Array((digests[path] ?? []).hexadecimal.utf8)
      merged.append(Line(path: path, bytes: digits + Array("  ".utf8) + path.bytes + lineEnd))
    }
    for line in lines {
      if let path = line.path { while let new = added.first, new < path { add(added.removeFirst()) } }
      merged.append(line)
    }
    for path in added { add(path) }
    rebuild(merged)
  }

  private mutating func rebuild(_ kept: [Line]) {
    lines = []
    indices = [:]
    for line in kept { append(Line(path: line.path, bytes: line.bytes)) }
  }
}
