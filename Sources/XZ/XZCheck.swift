// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import CLZMA
internal import Cryptography

/// The integrity check of a stream's blocks (The .xz File Format 1.2.0, section 2.1.1.2).
package enum XZCheck: UInt8, CaseIterable, Sendable {
  case none = 0
  case crc32 = 1
  case crc64 = 4
  case sha256 = 10

  /// Size in bytes.
  package var size: Int {
    switch self {
    case .none: 0
    case .crc32: 4
    case .crc64: 8
    case .sha256: 32
    }
  }

  /// The check of `text`, as stored in a file.
  ///
  /// Throws `CryptoError` if libcrypto has no SHA-256.
  package func value(of text: UnsafeRawBufferPointer) throws -> [UInt8] {
    let start = text.bindMemory(to: UInt8.self).baseAddress
    var writer = ByteWriter()
    switch self {
    case .none: break
    case .crc32: writer.write(lzma_crc32(start, text.count, 0))
    case .crc64: writer.write(lzma_crc64(start, text.count, 0))
    case .sha256:
      var digest = try Digest(.sha256)
      try digest.update(text)
      writer.write(try digest.finish())
    }
    return writer.bytes
  }
}
