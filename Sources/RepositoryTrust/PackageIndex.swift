// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import HostSystem
internal import Messages

extension SignedRelease {
  /// Suffixes of index files in repositories and apt's lists.
  private static let suffixes = ["", ".xz", ".gz", ".zst", ".lz4"]
  /// Maximum size of an index in bytes, compressed or not.
  ///
  /// Debian's largest has about 60 MB.
  private static let sizeLimit = 1 << 30

  /// Finds the package in one of the indexes next to the release file.
  ///
  /// Throws `TrustError` unless an index listed in the release file contains it, `HostError` if one cannot be read.
  func establish(for deb: DebIdentity, on host: Host) throws -> TrustFinding.Release {
    let architecture = "binary-\(deb.architecture)/Packages"
    let names = release.entries.keys.map { name in
      String(Self.suffixes.dropFirst().first { name.hasSuffix($0) }.map { name.dropLast($0.count) } ?? name[...])
    }
    let indexes = Set(names.filter { $0 == "Packages" || $0 == architecture || $0.hasSuffix("/\(architecture)") })
    guard !indexes.isEmpty else {
      throw TrustError(.release, "\(file) lists no package index for \(deb.architecture)")
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
        .index, "no package index found next to \(file), such as \(path(of: indexes.sorted()[0]))",
        hint: "download \(indexes.sorted()[0]) from the repository, or use the release file in apt's lists")
    }
    throw TrustError(
      .absent, "\(deb.path) is not listed in \(read.joined(separator: ", ")): SHA-256 digest not found",
      hint: "download the package again; if the release file and the index are older, download them too")
  }

  /// The path of the index, next to the release file.
  ///
  /// apt keeps the lists of all repositories in one directory and replaces each `/` with `_`.
  private func path(of index: String) -> String {
    let name = file.hasSuffix("InRelease") ? "InRelease" : "Release"
    let prefix = file.dropLast(name.count)
    if prefix.isEmpty || prefix.hasSuffix("/") { return prefix + index }
    return prefix + String(decoding: index.utf8.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }

  /// The stanza with the package's digest, or nil.
  ///
  /// Throws `TrustError` unless the release file has the digest of the index file or, if apt recompressed it, of its
  /// text.
  private func find(
    _ deb: DebIdentity, in index: String, packed suffix: String, path: String, on host: Host
  ) throws -> PackageStanza? {
    let file = try host.userFiles.openFile(path)
    let packed = release.entries[index + suffix]
    let text = release.entries[index]
    guard packed ?? text != nil else {
      throw TrustError(
        .index, "\(self.file) has no digest of \(index)\(suffix) or \(index)",
        hint: "download an index that the release file lists")
    }
    // The signed sizes are compared first, so that a wrong index costs neither time nor memory.
    guard file.count <= packed?.size ?? Self.sizeLimit else { throw otherIndex(path) }
    let source = try DigestingSource(file)
    let limit = text?.size ?? Self.sizeLimit
    var search = PackageSearch(sha256: deb.sha256)
    var plain = try Digest()
    var count = 0
    do {
      try CompressedStream(source).forEachChunk(limit: min(limit, Self.sizeLimit)) { chunk in
        count += chunk.count
        try plain.update(chunk)
        try search.feed(chunk)
      }
    } catch let error as CompressionError {
      if error.operation == .limit { throw otherIndex(path) }
      throw TrustError(.index, "\(path) cannot be unpacked: \(error.detail)", hint: "download the index again")
    }
    let found = try (digest: plain.finish(), size: count)
    let isListed =
      if let packed {
        try source.finish() == packed.sha256 && file.count == packed.size
      } else {
        found.digest == text?.sha256 && found.size == text?.size
      }
    guard isListed else { throw otherIndex(path) }
    return search.finish()
  }

  private func otherIndex(_ path: String) -> TrustError {
    TrustError(
      .index, "\(path) is not the index listed in \(file): SHA-256 digest or size differs",
      hint: "download both again at the same time")
  }
}

/// A file that is read from start to end and digested on the way, so that exactly the bytes that were used are verified.
private final class DigestingSource: RandomAccessBytes {
  private let file: File
  private let progress: Guarded<(end: Int, digest: RunningDigest)>

  init(_ file: File) throws {
    self.file = file
    progress = Guarded((0, try RunningDigest(.sha256)))
  }

  var count: Int { file.count }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    try file.read(into: buffer, at: offset)
    try progress.withLock { progress in
      guard offset == progress.end else { return }
      try progress.digest.update(UnsafeRawBufferPointer(buffer))
      progress.end += buffer.count
    }
  }

  /// The digest of the whole file; reads what has not been read.
  func finish() throws -> [UInt8] {
    try TransferBuffer().forEachChunk(of: self, in: progress.withLock { $0.end }..<count) { _ in }
    return try progress.withLock { try $0.digest.finish() }
  }
}

/// Searches a package index, passed in chunks, for the stanza with a digest.
private struct PackageSearch {
  /// Maximum size of a stanza in bytes.
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

  /// The first stanza with the digest, or nil.
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
    for line in ByteLines(text) where line.first != UInt8(ascii: " ") {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      fields[name] = String(decoding: line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
    }
  }

  /// Throws `TrustError` unless name, version and architecture match those in the package.
  func requireAgreement(with deb: DebIdentity, index: String) throws(TrustError) {
    for (field, value) in [
      ("Package", deb.package), ("Version", deb.version), ("Architecture", deb.architecture),
    ] where fields[field.lowercased()] != value {
      throw TrustError(
        .index,
        "\(index) and \(deb.path) disagree: \(field) is \(fields[field.lowercased()] ?? "missing") and \(value)",
        hint: "download both again; if they still disagree, report it to the repository's maintainers")
    }
  }
}
