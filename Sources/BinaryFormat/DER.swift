// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// The part of the Distinguished Encoding Rules (X.690) that Authenticode's structures need; libcrypto does the rest.
package enum DER {
  package static let sequence: UInt8 = 0x30
  package static let integer: UInt8 = 0x02
  package static let objectIdentifier: UInt8 = 0x06
  package static let octetString: UInt8 = 0x04
  package static let null: UInt8 = 0x05
  package static let generalizedTime: UInt8 = 0x18

  /// Encodes one element: identifier octet, definite length in the shortest form, contents.
  package static func element(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
    [tag] + length(contents.count) + contents
  }

  private static func length(_ count: Int) -> [UInt8] {
    guard count >= 0x80 else { return [UInt8(count)] }
    var rest = count
    var bytes: [UInt8] = []
    while rest > 0 {
      bytes.insert(UInt8(truncatingIfNeeded: rest), at: 0)
      rest >>= 8
    }
    return [0x80 | UInt8(bytes.count)] + bytes
  }
}

extension ByteReader {
  /// Reads one DER element with identifier `tag` and returns a reader over its contents.
  ///
  /// Throws `magic` for another identifier and `range` for an indefinite or overlong length (X.690 section 10.1).
  package mutating func readDER(_ tag: UInt8) throws(ParseError) -> ByteReader {
    let start = offset
    let found = try read(UInt8.self)
    guard found == tag else {
      throw ParseError(
        format, at: start, .magic, "expected DER tag 0x\([tag].hexadecimal), found 0x\([found].hexadecimal)")
    }
    return try subReader(count: try readDERLength())
  }

  private mutating func readDERLength() throws(ParseError) -> Int {
    let start = offset
    let first = try read(UInt8.self)
    guard first >= 0x80 else { return Int(first) }
    guard 0x81...0x84 ~= first else {
      throw ParseError(format, at: start, .range, "unsupported DER length form 0x\([first].hexadecimal)")
    }
    let count = try read(count: Int(first & 0x7f)).reduce(0) { $0 << 8 | Int($1) }
    guard count >= 0x80, count >> (8 * (Int(first & 0x7f) - 1)) != 0 else {
      throw ParseError(format, at: start, .range, "DER length \(count) is not in its shortest form")
    }
    return count
  }
}
