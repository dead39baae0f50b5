// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import ModuleSignature

/// Digests a module that goes by without its signature, which stands at the end and is known only there: the last bytes are
/// held back.
struct ModuleDigest {
  private let algorithms: [DigestAlgorithm]
  private let digests: [RunningDigest]
  private var tail: [UInt8] = []
  private var count = 0

  /// SHA-256, and if `all` the others that signatures are made with.
  init(all: Bool) throws {
    algorithms = all ? DigestAlgorithm.forSignatures : [.sha256]
    digests = try algorithms.map { try RunningDigest($0) }
  }

  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
    count += bytes.count
    tail.append(contentsOf: bytes)
    if tail.count > 8 * ModuleTrailer.sizeLimit { try release(tail.count - ModuleTrailer.sizeLimit) }
  }

  private mutating func release(_ count: Int) throws {
    try tail.withUnsafeBytes { bytes in
      for digest in digests { try digest.update(UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
    }
    tail.removeFirst(count)
  }

  /// Throws `ParseError` for a signature that the kernel turns down.
  mutating func finish() throws -> SurveyedModule {
    if tail.count > ModuleTrailer.sizeLimit { try release(tail.count - ModuleTrailer.sizeLimit) }
    let trailer = try ModuleTrailer(tail: tail, ofModuleWith: count)
    try release((trailer?.contentCount ?? count) - (count - tail.count))
    var results: [DigestAlgorithm: [UInt8]] = [:]
    for (algorithm, digest) in zip(algorithms, digests) { results[algorithm] = try digest.finish() }
    return SurveyedModule(
      contentDigest: results[.sha256] ?? [], trailer: trailer, digests: algorithms.count > 1 ? results : [:])
  }
}
