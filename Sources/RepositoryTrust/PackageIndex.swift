// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import HostSystem
internal import Messages

extension SignedRelease {
  /// Suffixes that repositories and apt's lists use.
  private static let suffixes = ["", ".xz", ".gz", ".zst", ".lz4"]
  /// Bytes of an index, compressed or not.
  ///
  /// Debian's largest has some 60 MB.
  private static let sizeLimit = 1 << 30

  /// Finds the package in one of the indexes beside the release file.
  ///
  /// Throws `TrustError` if no index that the release file vouches for lists it, `HostError` if one cannot be read.
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

  /// Where the index is: beside the release file.
  ///
  /// apt keeps the lists of all repositories in one directory, and writes `_` for each `/`.
  private func path(of index: String) -> String {
    let name = file.hasSuffix("InRelease") ? "InRelease" : "Release"
    let prefix = file.dropLast(name.count)
    if prefix.isEmpty || prefix.hasSuffix("/") { return prefix + index }
    return prefix + String(decoding: index.utf8.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }

  /// The stanza with the package's digest, or nil.
  ///
  /// Throws `TrustError` unless the release file has the digest of the index file or, where apt compressed it anew, of
  /// its text.
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
    if packed != nil { try require(expected, digest: Digest.of(bytes), size: bytes.count, path: path) }
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
    if packed == nil { try require(expected, digest: digest, size: count, path: path) }
    return search.finish()
  }

  private func require(
    _ expected: ReleaseFile.Entry, digest: [UInt8], size: Int, path: String
  ) throws(TrustError) {
    guard digest == expected.sha256, size == expected.size else {
      throw TrustError(
        .index, "\(path) is not the index that \(file) names: its SHA-256 digest is another",
        hint: "get both once more, as of the same moment")
    }
  }
}

/// Searches an index of packages, given piece by piece, for the stanza with a digest.
private struct PackageSearch {
  /// Bytes of one stanza.
  private static let sizeLimit = 1 << 20

  private let wanted: [UInt8]
  private var line: [UInt8] = []
  private var stanza: [UInt8] = []
  private var isWanted = false
  private var found: PackageStanza?

  init(sha256: [UInt8]) { wanted = Array("SHA256: \(sha256.hexadecimal)".utf8) }

  /// Throws `TrustError` if a stanza has more than 1 MiB.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(TrustError) {
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      line += bytes[start..<end]
      guard line.count + stanza.count <= Self.sizeLimit else {
        throw TrustError(.index, "an entry of the index has more than \(Self.sizeLimit) bytes")
      }
      if end < bytes.count { endLine() }
      start = end + 1
    }
  }

  /// The first stanza with the digest, if there is one.
  mutating func finish() -> PackageStanza? {
    endLine()
    endStanza()
    return found
  }

  private mutating func endLine() {
    if line.isEmpty {
      endStanza()
    } else {
      if line == wanted { isWanted = true }
      stanza += line
      stanza.append(UInt8(ascii: "\n"))
    }
    line.removeAll(keepingCapacity: true)
  }

  private mutating func endStanza() {
    if isWanted, found == nil { found = PackageStanza(parsing: stanza) }
    isWanted = false
    stanza.removeAll(keepingCapacity: true)
  }
}

/// The entry of one package in an index.
private struct PackageStanza {
  private var fields: [String: String] = [:]

  init(parsing text: [UInt8]) {
    for line in text.split(separator: UInt8(ascii: "\n")) where line.first != UInt8(ascii: " ") {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      fields[name] = String(decoding: line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
    }
  }

  /// Throws `TrustError` unless name, version and architecture are those that the package itself states.
  func requireAgreement(with deb: DebIdentity, index: String) throws(TrustError) {
    for (field, value) in [
      ("Package", deb.package), ("Version", deb.version), ("Architecture", deb.architecture),
    ] where fields[field.lowercased()] != value {
      throw TrustError(
        .index,
        "\(index) and \(deb.path) disagree: \(field) is \(fields[field.lowercased()] ?? "missing") and \(value)",
        hint: "get both once more; if they still disagree tell the repository's maintainers")
    }
  }
}
