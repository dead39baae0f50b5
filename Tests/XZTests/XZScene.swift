// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import TestSupport
import XZ

/// Texts, and streams made by xz, shared by the tests.
enum XZScene {
  /// Text with near and far repetitions, and an incompressible part.
  static let text: [UInt8] = {
    var random = Random(seed: 1)
    let words = (0..<200).map { _ in random.bytes(count: 3 + random.below(9)) }
    var text: [UInt8] = []
    while text.count < 200_000 { text += words[random.below(200)] }
    text += random.bytes(count: 150_000)
    while text.count < 600_000 { text += words[random.below(200)] }
    return text
  }()

  static func pack(_ text: [UInt8], _ options: [String] = []) throws -> [UInt8] {
    try ExternalTool("xz").run(["-c", "-T1"] + options, input: text)
  }

  static func unpack(_ file: [UInt8]) throws -> [UInt8] { try ExternalTool("xz").run(["-dc"], input: file) }

  /// Builds a file from encoded blocks.
  static func file(_ blocks: [EncodedBlock], check: XZCheck) -> [UInt8] {
    var index = XZIndexWriter(check: check)
    for block in blocks { index.add(block) }
    return index.header + blocks.flatMap(\.bytes) + index.finish()
  }

  /// Applies the edits to `text` in the simplest way.
  static func apply(_ edits: [ByteEdit], to text: [UInt8]) -> [UInt8] {
    var result = text
    for edit in edits.reversed() { result.replaceSubrange(edit.range, with: edit.replacement) }
    return result
  }
}

/// Marsaglia's xorshift64, with the same numbers in every run.
struct Random {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  mutating func below(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int((state >> 11) % UInt64(bound))
  }

  mutating func bytes(count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(below(256)) } }
}
