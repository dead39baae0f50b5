// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import COpenSSL
internal import Messages

package enum DigestAlgorithm: String, Sendable {
  case sha1 = "sha1"
  case sha256 = "sha256"
  case sha384 = "sha384"
  case sha512 = "sha512"
  /// Not secure; used in the file lists of Debian packages and in old signatures, which firmware ignores.
  case md5 = "md5"

  /// The algorithms used for signatures of images and modules.
  package static let forSignatures: [DigestAlgorithm] = [.sha1, .sha256, .sha384, .sha512]
  /// Those that current kernels accept for modules.
  package static let forModules: [DigestAlgorithm] = [.sha256, .sha384, .sha512]
  package static let all: [DigestAlgorithm] = forSignatures + [.md5]

  /// The algorithm with this object identifier; nil for all others.
  package init?(objectIdentifier: [UInt8]) {
    guard let found = Self.all.first(where: { $0.objectIdentifier == objectIdentifier }) else { return nil }
    self = found
  }

  /// The contents of the DER object identifier.
  package var objectIdentifier: [UInt8] {
    switch self {
    case .sha1: [0x2b, 14, 3, 2, 26]  // 1.3.14.3.2.26
    case .sha256: [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 1]  // 2.16.840.1.101.3.4.2.1
    case .sha384: [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 2]
    case .sha512: [0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 3]
    case .md5: [0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 2, 5]  // 1.2.840.113549.2.5
    }
  }

  /// Digest size in bytes.
  package var size: Int {
    switch self {
    case .sha1: 20
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    case .md5: 16
    }
  }

  var evp: OpaquePointer? {
    switch self {
    case .sha1: EVP_sha1()
    case .sha256: EVP_sha256()
    case .sha384: EVP_sha384()
    case .sha512: EVP_sha512()
    case .md5: EVP_md5()
    }
  }
}

/// An incremental digest.
package struct Digest: ~Copyable {
  private let context: OpaquePointer
  private let size: Int

  package init(_ algorithm: DigestAlgorithm = .sha256) throws(CryptoError) {
    ErrorQueue.clear()
    guard let context = EVP_MD_CTX_new() else { throw ErrorQueue.drain("cannot start a \(algorithm.rawValue) digest") }
    guard EVP_DigestInit_ex2(context, algorithm.evp, nil) == 1 else {
      EVP_MD_CTX_free(context)
      throw ErrorQueue.drain("cannot start a \(algorithm.rawValue) digest")
    }
    self.context = context
    self.size = algorithm.size
  }

  private init(owning context: OpaquePointer, size: Int) {
    self.context = context
    self.size = size
  }

  /// A second digest of the bytes so far, for contents that start with the same bytes.
  package func copy() throws(CryptoError) -> Digest {
    ErrorQueue.clear()
    guard let copy = EVP_MD_CTX_new() else { throw ErrorQueue.drain("cannot finish a digest") }
    guard EVP_MD_CTX_copy_ex(copy, context) == 1 else {
      EVP_MD_CTX_free(copy)
      throw ErrorQueue.drain("cannot finish a digest")
    }
    return Digest(owning: copy, size: size)
  }

  deinit { EVP_MD_CTX_free(context) }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) throws(CryptoError) {
    guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
      throw ErrorQueue.drain("cannot compute the digest of \(bytes.count) bytes")
    }
  }

  package mutating func update(_ bytes: [UInt8]) throws(CryptoError) { try update(bytes[...]) }

  package mutating func update(_ bytes: ArraySlice<UInt8>) throws(CryptoError) {
    let status = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    guard status == 1 else { throw ErrorQueue.drain("cannot compute the digest of \(bytes.count) bytes") }
  }

  /// Adds `range` of `source`, or all of it.
  ///
  /// Throws if `source` cannot be read, `CryptoError` if libcrypto fails.
  package mutating func update(
    contentsOf source: any RandomAccessBytes, in range: Range<Int>? = nil,
    through buffer: TransferBuffer = TransferBuffer()
  ) throws {
    try buffer.forEachChunk(of: source, in: range ?? 0..<source.count) { try update($0) }
  }

  package consuming func finish() throws(CryptoError) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: size)
    let status = digest.withUnsafeMutableBufferPointer { EVP_DigestFinal_ex(context, $0.baseAddress, nil) }
    guard status == 1 else { throw ErrorQueue.drain("cannot finish a digest") }
    return digest
  }

  /// The digest of bytes in memory.
  package static func of(_ bytes: [UInt8], _ algorithm: DigestAlgorithm = .sha256) throws(CryptoError) -> [UInt8] {
    var digest = try Digest(algorithm)
    try digest.update(bytes)
    return try digest.finish()
  }

  /// The digest of content that is read one buffer at a time.
  ///
  /// Throws if `content` cannot be read, `CryptoError` if libcrypto fails.
  package static func of(
    _ content: any RandomAccessBytes, _ algorithm: DigestAlgorithm = .sha256
  ) throws -> [UInt8] {
    var digest = try Digest(algorithm)
    try digest.update(contentsOf: content)
    return try digest.finish()
  }
}

/// A digest that can be stored in a copyable type.
package final class RunningDigest {
  private var digest: Digest?

  package init(_ algorithm: DigestAlgorithm) throws(CryptoError) { digest = try Digest(algorithm) }

  package func update(_ bytes: UnsafeRawBufferPointer) throws(CryptoError) { try digest?.update(bytes) }

  package func update(_ bytes: [UInt8]) throws(CryptoError) { try digest?.update(bytes) }

  /// The digest of all bytes added; empty if called a second time.
  package func finish() throws(CryptoError) -> [UInt8] {
    guard let digest = digest.take() else { return [] }
    return try digest.finish()
  }
}
