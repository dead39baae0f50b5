// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import DebianArchive
internal import Messages

/// Minimal edits that turn one content into another, so that the rest can stay compressed.
package enum ContentEdits {
  /// Differences closer together than this many bytes become one edit.
  private static let gap = 16
  /// Bytes compared at a time.
  private static let stride = 4096

  /// For contents whose bytes keep their offsets, such as an image that is signed: an edit for each difference, and one
  /// at the end if the sizes differ.
  package static func inPlace(from old: [UInt8], to new: [UInt8]) -> [ByteEdit] {
    let common = min(old.count, new.count)
    var ranges: [Range<Int>] = []
    for start in Swift.stride(from: 0, to: common, by: stride) {
      let end = min(start + stride, common)
      if areEqual(old, and: new, in: start..<end) { continue }
      for index in start..<end where old[index] != new[index] {
        if let last = ranges.last, index - last.upperBound < gap {
          ranges[ranges.count - 1] = last.lowerBound..<index + 1
        } else {
          ranges.append(index..<index + 1)
        }
      }
    }
    var edits = ranges.map { ByteEdit(range: $0, replacement: Array(new[$0])) }
    if old.count != new.count {
      edits.append(ByteEdit(range: common..<old.count, replacement: Array(new[common...])))
    }
    return edits
  }

  private static func areEqual(_ old: [UInt8], and new: [UInt8], in range: Range<Int>) -> Bool {
    old.withUnsafeBytes { old in
      new.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: old[range]).hasSameBytes(as: .init(rebasing: $0[range])) }
    }
  }

  /// For texts in which lines are added, removed and changed, but seldom moved.
  package static func byLine(from old: [UInt8], to new: [UInt8]) -> [ByteEdit] {
    let (oldLines, newLines) = (lines(of: old), lines(of: new))
    var places: [ArraySlice<UInt8>: Int] = [:]
    for (index, line) in oldLines.enumerated() { places[line] = index }
    var edits: [ByteEdit] = []
    var position = 0
    var replacement: [UInt8] = []
    /// Adds the edit that replaces the old lines from `position` up to `index` with `replacement`.
    func replace(upTo index: Int) {
      let end = index < oldLines.count ? oldLines[index].startIndex : old.count
      let start = position < oldLines.count ? oldLines[position].startIndex : old.count
      guard start < end || !replacement.isEmpty else { return }
      edits.append(ByteEdit(range: start..<end, replacement: replacement))
      replacement = []
    }
    for line in newLines {
      // A line that occurs more than once, such as a blank one, usually did not move.
      let isInPlace = position < oldLines.count && oldLines[position] == line
      if let place = isInPlace ? position : places[line], place >= position {
        replace(upTo: place)
        position = place + 1
      } else {
        replacement += line
      }
    }
    replace(upTo: oldLines.count)
    return edits
  }

  private static func lines(of text: [UInt8]) -> [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var start = 0
    for index in text.indices where text[index] == UInt8(ascii: "\n") {
      lines.append(text[start...index])
      start = index + 1
    }
    return start < text.count ? lines + [text[start...]] : lines
  }
}

extension TarEntry {
  /// The edits of the archive that apply `edits` to the entry's content: of the content, of size and checksum in the
  /// header, and of the padding after the content.
  ///
  /// Offsets in `edits` count from the content's first byte. Throws `ParseError` if the header has no room for the new
  /// size.
  func edits(ofContent edits: [ByteEdit]) throws(ParseError) -> [ByteEdit] {
    let start = contentRange.lowerBound
    let moved = edits.map {
      ByteEdit(range: start + $0.range.lowerBound..<start + $0.range.upperBound, replacement: $0.replacement)
    }
    let growth = edits.growth
    guard growth != 0 else { return moved }
    let newFill = TarHeader.fill(after: size + growth)
    let fill = contentRange.upperBound..<end
    let fillEdit = fill.count == newFill.count ? [] : [ByteEdit(range: fill, replacement: newFill)]
    return try self.edits(size: size + growth) + moved + fillEdit
  }
}

extension [ByteEdit] {
  /// Inserts edits into a sorted list; takes little time if they are after most others.
  package mutating func insert(sorting more: [ByteEdit]) {
    func precedes(_ one: ByteEdit, _ other: ByteEdit) -> Bool {
      (one.range.lowerBound, one.range.upperBound) < (other.range.lowerBound, other.range.upperBound)
    }
    let more = more.sorted(by: precedes)
    guard let first = more.first else { return }
    let place = partitioningIndex { precedes(first, $0) }
    let tail = self[place...] + more
    replaceSubrange(place..., with: place < count ? tail.sorted(by: precedes)[...] : tail)
  }

  /// The first index whose edit satisfies `predicate`, given that all after it do, too.
  private func partitioningIndex(where predicate: (ByteEdit) -> Bool) -> Int {
    var range = 0..<count
    while !range.isEmpty {
      let middle = (range.lowerBound + range.upperBound) / 2
      range = predicate(self[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
    }
    return range.lowerBound
  }

  /// The edits of one block, whose bytes are `text`; the list must be sorted.
  ///
  /// An edit that crosses the block's borders is cut there; its replacement goes to the block in which the edit starts.
  package func within(_ text: Range<Int>, isLast: Bool) -> [ByteEdit] {
    self[partitioningIndex { $0.range.upperBound >= text.lowerBound }...].prefix {
      $0.range.lowerBound <= text.upperBound
    }.compactMap { edit in
      let begins = text.contains(edit.range.lowerBound) || (isLast && edit.range.lowerBound == text.upperBound)
      if edit.range.isEmpty { return begins ? edit : nil }
      let range = edit.range.clamped(to: text)
      guard begins || !range.isEmpty else { return nil }
      return ByteEdit(range: range, replacement: begins ? edit.replacement : [])
    }
  }
}

/// Applies edits to a text that arrives piece by piece.
package struct StreamEditor {
  private var edits: ArraySlice<ByteEdit>
  private var offset = 0

  /// `edits` must be in order.
  package init(_ edits: [ByteEdit]) { self.edits = edits[...] }

  /// Calls `body` with the edited form of the next bytes.
  package mutating func pass(_ chunk: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let end = offset + chunk.count
    var position = 0
    while let edit = edits.first, edit.range.lowerBound < end {
      let start = max(edit.range.lowerBound - offset, position)
      try body(UnsafeRawBufferPointer(rebasing: chunk[position..<start]))
      if edit.range.lowerBound >= offset + position { try edit.replacement.withUnsafeBytes(body) }
      position = min(edit.range.upperBound - offset, chunk.count)
      guard edit.range.upperBound <= end else { break }
      edits.removeFirst()
    }
    try body(UnsafeRawBufferPointer(rebasing: chunk[position...]))
    offset = end
  }

  /// Calls `body` with insertions at the end of the text.
  package mutating func finish(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    while let edit = edits.popFirst() {
      if edit.range.lowerBound >= offset { try edit.replacement.withUnsafeBytes(body) }
    }
  }
}
