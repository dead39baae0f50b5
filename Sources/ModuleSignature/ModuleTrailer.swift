// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// What the kernel looks for at the end of a module (Linux, include/linux/module_signature.h): the signature, twelve
/// bytes about it, and a mark.
package struct ModuleTrailer: Hashable, Sendable {
  /// Bytes before the signature: what is signed.
  package let contentCount: Int
  /// A PKCS#7 message in DER.
  package let signature: [UInt8]

  /// Bytes from the end that hold the trailer of every module that the kernel would take: certificates do not come with
  /// a signature, so it has some hundred.
  package static let sizeLimit = 64 << 10

  static let mark = Array("~Module signature appended~\n".utf8)
  static let format = "module signature"
  static let pkcs7: UInt8 = 2

  /// Reads the trailer of a module of `count` bytes of which `tail` are the last ones, at most `sizeLimit`.
  ///
  /// Nil if it carries no signature. Throws `ParseError`, with offsets from the start of the module, for one that the
  /// kernel turns down.
  package init?(tail: [UInt8], ofModuleWith count: Int) throws(ParseError) {
    guard tail.suffix(Self.mark.count) == Self.mark[...] else { return nil }
    let start = count - tail.count
    let information = tail.count - Self.mark.count - 12
    guard information >= 0 else {
      throw ParseError(Self.format, at: start, .truncated, "there is no room for what describes it")
    }
    var reader = ByteReader(Array(tail[information..<information + 12]), format: Self.format)
    let fields = Array(try reader.read(count: 8))
    guard fields[2] == Self.pkcs7, (0..<8).allSatisfy({ $0 == 2 || fields[$0] == 0 }) else {
      throw ParseError(Self.format, at: start + information, .unsupported, "it is not one PKCS#7 message")
    }
    let size = try reader.read(count: 4).reduce(0) { $0 << 8 | Int($1) }
    guard size <= information else {
      throw ParseError(
        Self.format, at: start + information + 8, .range, "\(size) bytes of signature, there are \(information)")
    }
    signature = Array(tail[(information - size)..<information])
    contentCount = start + information - size
  }
}
