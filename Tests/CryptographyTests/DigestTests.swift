// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import TestSupport
import Testing

@Suite struct DigestTests {
  /// The example "abc" of FIPS 180-4.
  private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  private let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0 / 3) }

  @Test func digestMatchesTheStandardsExample() throws {
    #expect(try Digest.of(Array("abc".utf8)).hexadecimal == Self.abc)
    #expect(try Digest.of(Array("abc".utf8) as any RandomAccessBytes).hexadecimal == Self.abc)
  }

  @Test(arguments: [DigestAlgorithm.sha1, .sha256, .sha384, .sha512, .md5])
  func streamedContentHasTheSameDigest(_ algorithm: DigestAlgorithm) throws {
    #expect(try Digest.of(content as any RandomAccessBytes, algorithm) == Digest.of(content, algorithm))
    #expect(try Digest.of(content, algorithm).count == algorithm.size)
  }

  @Test(arguments: [1, 7, 999, 1000, 4096])
  func rangesAreDigestedWithAnyBufferSize(_ size: Int) throws {
    var digest = try Digest()
    let buffer = TransferBuffer(size: size)
    try digest.update(contentsOf: content, in: 0..<10, through: buffer)
    try digest.update(contentsOf: content, in: 20..<20, through: buffer)
    try digest.update(contentsOf: content, in: 500..<1000, through: buffer)
    #expect(try digest.finish() == Digest.of(Array(content[..<10] + content[500...])))
  }

  @Test func aCopyContinuesOnItsOwn() throws {
    for count in [0, 1, 64, 500, 1000] {
      var digest = try Digest()
      try digest.update(content[..<count])
      var copy = try digest.copy()
      try copy.update(Array("abc".utf8))
      try digest.update(content[count...])
      #expect(try digest.finish() == Digest.of(content), "\(count)")
      #expect(try copy.finish() == Digest.of(Array(content[..<count]) + Array("abc".utf8)), "\(count)")
    }
  }

  @Test func unreadableContentIsAnError() throws {
    #expect(throws: Refusing.Refusal.self) { try Digest.of(Refusing()) }
  }

  private struct Refusing: RandomAccessBytes {
    struct Refusal: Error {}
    var count: Int { 1 }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws { throw Refusal() }
  }
}
