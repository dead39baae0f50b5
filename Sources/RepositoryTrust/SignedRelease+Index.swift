// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import HostSystem
internal import Messages

extension SignedRelease {
  /// As repositories have them, and as apt keeps them.
  private static let suffixes = ["", ".xz", ".gz", ".zst", ".lz4"]
  /// Bytes of an index, packed or not. Debian's largest has some 60 MB.
  private static let sizeLimit = 1 << 30

  /// Finds the package in one of the indexes beside the release file.
  func establish(for deb: DebIdentity, on host: Host) throws -> TrustFinding.Release {
    let architecture = "binary-\(deb.architecture)/Packages"
    let names = release.entries.keys.map { name in
      String(Self.suffixes.dropFirst().first { name.hasSuffix($0) }.map { name.dropLast($0.count) } ?? name[...])
    }
    let indexes = Set(names.filter { $0 == "Packages" || $0 == architecture || $0.hasSuffix("/\(architecture)") })
    guard !indexes.isEmpty else {
      throw TrustError(.release, "\(file) names no index of packages for \(deb.architecture)")
    }
    var read: [String] = []
    for index in indexes.sorted() {
      for suffix in Self.suffixes {
        let path = path(of: index + suffix)
        guard try host.userFiles.exists(path) else { continue }
        guard let stanza = try find(deb, in: index, packed: suffix, path: path, on: host) else {
          read.append(path)
          break
        }
        try stanza.requireAgreement(with: deb, index: path)
        return TrustFinding.Release(
          file: file, index: path, origin: release.origin, suite: release.suite, date: release.date,
          validUntil: release.validUntil, signers: signers)
      }
    }
    guard !read.isEmpty else {
      throw TrustError(
        .index, "there is no index of packages beside \(file), such as \(path(of: indexes.sorted()[0]))",
        hint: "get \(indexes.sorted()[0]) of the repository, packed or not, or name the release file in apt's lists")
    }
    throw TrustError(
      .absent, "\(deb.path) is not in \(read.joined(separator: ", ")): no package there has its SHA-256 digest",
      hint: "get the package once more, and the release file and the index anew if they are older than it")
  }

  /// Beside the release file; apt's lists hold all repositories in one directory and write `_` for each `/`.
  private func path(of index: String) -> String {
    let name = file.hasSuffix("InRelease") ? "InRelease" : "Release"
    let prefix = file.dropLast(name.count)
    if prefix.isEmpty || prefix.hasSuffix("/") { return prefix + index }
    return prefix + String(decoding: index.utf8.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }

  /// The stanza with the package's digest; nil if there is none. Throws `TrustError` unless the release file vouches for
  /// the index, for the packed file or, as with apt's own packing, for what is in it.
  private func find(
    _ deb: DebIdentity, in index: String, packed suffix: String, path: String, on host: Host
  ) throws -> PackageStanza? {
    let bytes = try host.userFiles.readFile(path, limit: Self.sizeLimit)
    let packed = release.entries[index + suffix]
    guard let expected = packed ?? release.entries[index] else {
      throw TrustError(
        .index, "\(file) has no digest of \(index)\(suffix), nor of \(index)",
        hint: "get an index of the repository that its release file lists")
    }
    if packed != nil { try Self.require(expected, Digest.of(bytes), bytes.count, path, file) }
    var search = PackageSearch(sha256: deb.sha256)
    var plain = try Digest()
    var count = 0
    do {
      try CompressedStream(bytes).forEachChunk(limit: Self.sizeLimit) { chunk in
        count += chunk.count
        try plain.update(chunk)
        try search.feed(chunk)
      }
    } catch let error as CompressionError {
      throw TrustError(.index, "\(path) cannot be unpacked: \(error.detail)", hint: "get the index once more")
    }
    let digest = try plain.finish()
    if packed == nil { try Self.require(expected, digest, count, path, file) }
    return search.finish()
  }

  private static func require(
    _ expected: ReleaseFile.Entry, _ digest: [UInt8], _ count: Int, _ path: String, _ file: String
  ) throws(TrustError) {
    guard digest == expected.sha256, count == expected.size else {
      throw TrustError(
        .index, "\(path) is not the index that \(file) names: its SHA-256 digest is another",
        hint: "get both once more, as of the same moment")
    }
  }
}
