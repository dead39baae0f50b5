// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import TestSupport
import Testing

@Suite struct Base64Tests {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static func decode(_ text: String) -> [UInt8]? { Base64.decode(Array(text.utf8)) }

  /// A plain implementation of RFC 4648 section 4; bits left unused by padding are ignored.
  private static func expected(_ text: [UInt8]) -> [UInt8]? {
    guard text.count.isMultiple(of: 4) else { return nil }
    var characters = text
    while text.count - characters.count < 2, characters.last == UInt8(ascii: "=") { characters.removeLast() }
    var bits: [UInt8] = []
    for character in characters {
      guard let value = alphabet.firstIndex(of: character) else { return nil }
      bits += (0..<6).map { UInt8(value >> (5 - $0) & 1) }
    }
    return stride(from: 0, to: bits.count - bits.count % 8, by: 8).map { start in
      bits[start..<(start + 8)].reduce(0) { $0 << 1 | $1 }
    }
  }

  /// RFC 4648 section 10.
  @Test(arguments: [
    ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmE=", "fooba"),
    ("Zm9vYmFy", "foobar"),
  ])
  func rfc4648VectorsAreDecoded(_ text: String, _ bytes: String) { #expect(Self.decode(text) == Array(bytes.utf8)) }

  @Test func onlyCharactersOfTheAlphabetAreDecoded() {
    let bytes = Base64.decode(Self.alphabet)
    #expect(bytes?.count == 48 && bytes == Self.expected(Self.alphabet))
    for byte in UInt8.min...UInt8.max where !Self.alphabet.contains(byte) && byte != UInt8(ascii: "=") {
      for place in 0..<8 {
        var text = Array("Zm9vYmFy".utf8)
        text[place] = byte
        #expect(Base64.decode(text) == nil, "byte \(byte) at \(place)")
      }
    }
  }

  @Test(arguments: [
    // Padding missing, too long, alone, in the middle or before other characters.
    "Z", "Zg", "Zg=", "Zm8", "Zg===", "Zm9v====", "Zm9v=", "=", "==", "===", "====", "Z===", "Z=g=", "=Zg=", "==Zg",
    "Zg==Zg==", "Zm8=Zm8=", "Zm=v", "Zm9vYg==\n",
    // Blanks, line ends and dashes, which libcrypto trims; also enough of them to make the length fit again.
    " Zm9v", "Zm9v ", "    Zm9v", "Zm9v    ", "\t\t\t\tZm9v", "Zm9v\r\n\r\n", "Zm9v\n\n\n\n", "Zm9v----", "Zm9v---=",
    "Zm9v  ==", "Zm 9v===", "Zm9v\nYmFy", "Zm9v\n\n\n\nYmFy", "    ", "\n\n\n\n", "----", "  ==",
    // Other alphabets, NUL.
    "Zm9-", "Zm9_", "Zm9,", "Zm9.", "Zm9\0", "Zm9v\0\0\0\0", "Zm\u{e9}v",
  ])
  func invalidBase64IsRejected(_ text: String) { #expect(Self.decode(text) == nil) }

  @Test func unusedBitsAreIgnored() {
    #expect(Self.decode("Zh==") == Array("f".utf8) && Self.decode("Zm9=") == Array("fo".utf8))
  }

  @Test(arguments: [UInt64(1), 2, 3])
  func damagedTextMatchesTheReferenceDecoder(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    for size in 1..<100 {
      let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let text = try ExternalTool("base64").run(["-w0"], input: bytes)
      #expect(Base64.decode(text) == bytes, "seed \(seed), \(size) bytes")
      for mutation in Mutations(of: text, count: 50, seed: seed &* 1000 &+ UInt64(size)) {
        #expect(Base64.decode(mutation) == Self.expected(mutation), "seed \(seed), \(size) bytes: \(mutation)")
      }
      for count in 0..<text.count {
        let prefix = Array(text.prefix(count))
        #expect(Base64.decode(prefix) == Self.expected(prefix), "seed \(seed), \(size) bytes, first \(count)")
      }
    }
  }
}
