// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import KernelRepack
import TestSupport
import Testing

@Suite struct EditTests {
  /// Applies edits in the simplest way, as a reference.
  static func apply(_ edits: [ByteEdit], to text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var position = 0
    for edit in edits {
      result += text[position..<edit.range.lowerBound] + edit.replacement
      position = edit.range.upperBound
    }
    return result + text[position...]
  }

  @Test func editsInPlaceProduceTheNewContent() {
    for seed in 0..<200 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let old = (0..<Int.random(in: 0...20_000, using: &generator)).map { UInt8(truncatingIfNeeded: $0 / 7) }
      var new = old
      for _ in 0..<Int.random(in: 0...5, using: &generator) where !new.isEmpty {
        new[Int.random(in: new.indices, using: &generator)] ^= 0xff
      }
      new = Bool.random(using: &generator) ? new + [1, 2, 3] : Array(new.dropLast(9))
      let edits = ContentEdits.inPlace(from: old, to: new)
      #expect(edits.areOrdered(within: 0..<old.count), "seed \(seed)")
      #expect(Self.apply(edits, to: old) == new, "seed \(seed)")
      #expect(edits.reduce(0) { $0 + $1.replacement.count } < 5 * 32 + 16, "seed \(seed)")
    }
  }

  @Test func equalContentsNeedNoEdits() {
    let content = [UInt8](repeating: 3, count: 10_000)
    #expect(ContentEdits.inPlace(from: content, to: content).isEmpty)
    #expect(ContentEdits.byLine(from: content, to: content).isEmpty)
  }

  @Test func editsByLineProduceTheNewText() {
    let lines = (0..<500).map { "line \($0)\n" }
    func text(_ lines: [String]) -> [UInt8] { Array(lines.joined().utf8) }
    var changed = lines
    changed[3] = "other\n"
    changed.insert("more\n", at: 400)
    changed.remove(at: 450)
    for new in [changed, Array(lines.dropFirst()), lines + ["last\n"], Array(lines.reversed()), [], lines + ["no end"]]
    {
      let edits = ContentEdits.byLine(from: text(lines), to: text(new))
      #expect(edits.areOrdered(within: 0..<text(lines).count))
      #expect(Self.apply(edits, to: text(lines)) == text(new))
    }
    let few = ContentEdits.byLine(from: text(lines), to: text(changed))
    #expect(few.count == 3)
    #expect(few.map(\.replacement) == [Array("other\n".utf8), Array("more\n".utf8), []])
  }

  @Test(arguments: [1, 2, 3, 7, 64, 1000])
  func editsApplyToAStreamedText(_ size: Int) throws {
    let text = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let edits = [
      ByteEdit(range: 0..<0, replacement: [1]), ByteEdit(range: 0..<5, replacement: []),
      ByteEdit(range: 5..<5, replacement: [2, 3]), ByteEdit(range: 60..<200, replacement: [4]),
      ByteEdit(range: 512..<512, replacement: [5, 6]), ByteEdit(range: 512..<513, replacement: [7, 8, 9]),
      ByteEdit(range: 999..<1000, replacement: []), ByteEdit(range: 1000..<1000, replacement: [10]),
    ]
    var editor = StreamEditor(edits)
    var result: [UInt8] = []
    for start in stride(from: 0, to: text.count, by: size) {
      try text[start..<min(start + size, text.count)].withUnsafeBytes {
        try editor.pass($0) { result.append(contentsOf: $0) }
      }
    }
    try editor.finish { result.append(contentsOf: $0) }
    #expect(result == Self.apply(edits, to: text))
  }

  @Test func editsAreSplitAtBlockBoundaries() {
    let edits = [
      ByteEdit(range: 3..<25, replacement: [1, 2]), ByteEdit(range: 30..<30, replacement: [3]),
      ByteEdit(range: 40..<40, replacement: [4]),
    ]
    let blocks = [0..<10, 10..<20, 20..<30, 30..<40]
    let text = (0..<40).map { UInt8($0) }
    let parts = blocks.enumerated().map { index, block in
      let own = edits.within(block, isLast: index == 3).map {
        ByteEdit(
          range: $0.range.lowerBound - block.lowerBound..<$0.range.upperBound - block.lowerBound,
          replacement: $0.replacement)
      }
      return Self.apply(own, to: Array(text[block]))
    }
    #expect(Array(parts.joined()) == Self.apply(edits, to: text))
    #expect(parts[0] == [0, 1, 2, 1, 2])
  }

  @Test func editsAreInsertedInOrder() {
    func edit(_ start: Int) -> ByteEdit { ByteEdit(range: start..<start + 1, replacement: []) }
    var edits: [ByteEdit] = []
    for batch in [[5, 3], [9, 7], [1], [], [8, 12, 2]] { edits.insert(sorting: batch.map(edit)) }
    #expect(edits.map(\.range.lowerBound) == [1, 2, 3, 5, 7, 8, 9, 12])
  }

  /// Blank lines are equal, and were all taken for the last one.
  @Test func equalLinesStayInPlace() {
    let old = Array("a\n\nb\n\nc\n\n".utf8)
    let new = Array("a\n\nb\n\nx\n\n".utf8)
    let edits = ContentEdits.byLine(from: old, to: new)
    #expect(edits == [ByteEdit(range: 6..<8, replacement: Array("x\n".utf8))])
  }
}
