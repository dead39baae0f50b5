// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Compression
internal import Cryptography
internal import ModuleSignature

/// A module's content, decompressed while reading.
///
/// It is read twice, since the trailer names the digest algorithm for the rest; memory use does not grow with its size.
package struct ModuleContent {
  private let stream: CompressedStream
  /// Maximum decompressed size in bytes; the largest modules, of graphics drivers, have a tenth of it.
  private static let limit = 1 << 30

  init(_ file: any RandomAccessBytes) { stream = CompressedStream(file) }

  /// What a module says about itself, from its unpacked content.
  ///
  /// Throws `ParseError` or `CompressionError`.
  package static func information(of file: any RandomAccessBytes) throws -> ModuleInformation {
    var content: [UInt8] = []
    try CompressedStream(file).forEachChunk(limit: limit) { content.append(contentsOf: $0) }
    return try ModuleInformation(parsing: content)
  }

  /// The signature trailer; nil if the module is unsigned.
  func trailer() throws -> ModuleTrailer? {
    var tail: [UInt8] = []
    var count = 0
    try stream.forEachChunk(limit: Self.limit) { chunk in
      count += chunk.count
      tail.append(contentsOf: chunk.suffix(ModuleTrailer.sizeLimit))
      if tail.count > 4 * ModuleTrailer.sizeLimit { tail.removeFirst(tail.count - ModuleTrailer.sizeLimit) }
    }
    return try ModuleTrailer(tail: Array(tail.suffix(ModuleTrailer.sizeLimit)), ofModuleWith: count)
  }

  /// The digest of the first `count` bytes.
  func digest(_ algorithm: DigestAlgorithm, count: Int) throws -> [UInt8] {
    var digest = try Digest(algorithm)
    var remaining = count
    try stream.forEachChunk(limit: Self.limit) { chunk in
      let part = UnsafeRawBufferPointer(rebasing: chunk.prefix(remaining))
      try digest.update(part)
      remaining -= part.count
    }
    return try digest.finish()
  }
}
