// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// The signature trailer of a kernel module: the signature, twelve bytes of information about it, and a magic string
/// (Linux, include/linux/module_signature.h).
package struct ModuleTrailer: Hashable, Sendable {
  /// Number of bytes before the signature, which are the signed content.
  package let contentCount: Int
  /// A PKCS#7 message in DER.
  package let signature: [UInt8]

  /// Maximum size of a trailer in bytes.
  ///
  /// Real ones have a few hundred bytes, since they contain no certificates.
  package static let sizeLimit = 64 << 10

  static let mark = Array("~Module signature appended~\n".utf8)
  static let format = "module signature"
  static let pkcs7: UInt8 = 2

  /// Parses the trailer of a module of `count` bytes from `tail`, its last bytes, at most `sizeLimit`.
  ///
  /// Nil if the module has no signature. Throws `ParseError`, with offsets from the start of the module, for a trailer
  /// that the kernel rejects.
  package init?(tail: [UInt8], ofModuleWith count: Int) throws(ParseError) {
    guard tail.suffix(Self.mark.count) == Self.mark[...] else { return nil }
    let start = count - tail.count
    let information = tail.count - Self.mark.count - 12
    guard information >= 0 else {
      throw ParseError(Self.format, at: start, .truncated, "the signature information is truncated")
    }
    var reader = ByteReader(Array(tail[information..<information + 12]), format: Self.format)
    let fields = Array(try reader.read(count: 8))
    guard fields[2] == Self.pkcs7, (0..<8).allSatisfy({ $0 == 2 || fields[$0] == 0 }) else {
      throw ParseError(Self.format, at: start + information, .unsupported, "the signature is not a PKCS#7 message")
    }
    let size = try reader.read(count: 4).reduce(0) { $0 << 8 | Int($1) }
    guard size <= information else {
      throw ParseError(
        Self.format, at: start + information + 8, .range,
        "the signature has \(size) bytes, but only \(information) are available")
    }
    signature = Array(tail[(information - size)..<information])
    contentCount = start + information - size
  }
}
