// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import Glibc
internal import Messages

/// Edits that turn one content into another, so that the compressed bytes of what stays the same are kept.
enum ContentEdits {
  /// Differences this close together are one edit.
  private static let gap = 16
  private static let stride = 4096

  /// For contents whose bytes keep their places, as an image's do when it is signed: what differs, and the end where the
  /// sizes do.
  static func inPlace(from old: [UInt8], to new: [UInt8]) -> [ByteEdit] {
    let common = min(old.count, new.count)
    var ranges: [Range<Int>] = []
    for start in Swift.stride(from: 0, to: common, by: stride) {
      let end = min(start + stride, common)
      if areEqual(old, new, in: start..<end) { continue }
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

  private static func areEqual(_ old: [UInt8], _ new: [UInt8], in range: Range<Int>) -> Bool {
    old.withUnsafeBytes { old in
      new.withUnsafeBytes { new in
        guard let left = old.baseAddress, let right = new.baseAddress else { return true }
        return memcmp(left + range.lowerBound, right + range.lowerBound, range.count) == 0
      }
    }
  }

  /// For texts of which whole lines come, go and change, but seldom move.
  static func byLine(from old: [UInt8], to new: [UInt8]) -> [ByteEdit] {
    let (oldLines, newLines) = (lines(of: old), lines(of: new))
    var places: [ArraySlice<UInt8>: Int] = [:]
    for (index, line) in oldLines.enumerated() { places[line] = index }
    var edits: [ByteEdit] = []
    var position = 0
    var replacement: [UInt8] = []
    /// Replaces the old lines from `position` up to `index`.
    func replace(upTo index: Int) {
      let end = index < oldLines.count ? oldLines[index].startIndex : old.count
      let start = position < oldLines.count ? oldLines[position].startIndex : old.count
      guard start < end || !replacement.isEmpty else { return }
      edits.append(ByteEdit(range: start..<end, replacement: replacement))
      replacement = []
    }
    for line in newLines {
      if let place = places[line], place >= position {
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
  /// The archive's edits that apply `edits` to the entry's content, whose offsets begin with its first byte: size and
  /// checksum in the header, the content, and the fill behind it. Throws `ParseError` if its size cannot be changed.
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
