// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive

/// Finds the end of a data archive from its last blocks alone.
///
/// Zeros do not tell where a file ends and the archive's own zero blocks begin. A row of entries does, of which each follows
/// the one before it, the last one is followed by nothing but zeros, and every file has the MD5 that the package lists for
/// its path: no other bytes than the archive's own end look like that.
struct TailScan {
  private let sums: MD5Sums

  init(sums: MD5Sums) { self.sums = sums }

  /// Where another entry can be put; nil if no such row is found. `text` begins at `offset` of the archive and goes up to
  /// its end.
  func endOfArchive(in text: UnsafeRawBufferPointer, startingAt offset: Int) -> Int? {
    let blockSize = 512
    var candidate = (blockSize - offset % blockSize) % blockSize
    while candidate + blockSize <= text.count {
      if Self.looksLikeHeader(text, at: candidate),
        let end = try? end(of: UnsafeRawBufferPointer(rebasing: text[candidate...]), startingAt: offset + candidate)
      {
        return end
      }
      candidate += blockSize
    }
    return nil
  }

  private static func looksLikeHeader(_ text: UnsafeRawBufferPointer, at start: Int) -> Bool {
    text[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8)
  }

  private struct NoRow: Error {}

  private func end(of text: UnsafeRawBufferPointer, startingAt offset: Int) throws -> Int {
    var reader = TarReader(startingAt: offset)
    var current: (path: ArchivePath, digest: RunningDigest)?
    var matches = 0
    try reader.feed(text) { event in
      switch event {
      case .entry(let entry):
        current = entry.kind == .file ? (entry.path, try RunningDigest(.md5)) : nil
      case .content(let bytes): try current?.digest.update(bytes)
      case .endOfEntry:
        guard let file = current else { return }
        guard try file.digest.finish() == sums.digest(of: file.path) else { throw NoRow() }
        matches += 1
      case .endOfArchive: break
      }
    }
    let end = try reader.finish()
    guard matches > 0, reader.endOfArchive != nil else { throw NoRow() }
    return end
  }
}
