// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import DebianArchive

/// Finds the end of a data archive without reading it from its start.
///
/// Trailing zeros may belong to the last file or be the archive's zero blocks. The end is certain after a run of
/// consecutive entries that is followed only by zeros and in which every file matches md5sums.
package struct TailScan {
  private let sums: MD5Sums
  /// How often each byte may be read, on average.
  private static let workLimit = 4

  package init(sums: MD5Sums) { self.sums = sums }

  /// The offset at which an entry can be added; nil if there is no such run.
  ///
  /// `text` is the archive from `offset` to its end.
  package func endOfArchive(in text: UnsafeRawBufferPointer, startingAt offset: Int) -> Int? {
    let blockSize = 512
    // An archive within an archive has many headers that do not lead to the end; reading on from each would take long.
    var work = 0
    var candidate = (blockSize - offset % blockSize) % blockSize
    while candidate + blockSize <= text.count, work <= Self.workLimit * text.count {
      if Self.looksLikeHeader(text, at: candidate),
        let end = try? end(
          of: UnsafeRawBufferPointer(rebasing: text[candidate...]), startingAt: offset + candidate, work: &work)
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

  private struct NotAtEnd: Error {}

  /// Adds the number of bytes read to `work`.
  private func end(of text: UnsafeRawBufferPointer, startingAt offset: Int, work: inout Int) throws -> Int {
    var reader = TarReader(startingAt: offset)
    var current: (path: ArchivePath, digest: RunningDigest)?
    var matches = 0
    try reader.feed(text) { event in
      switch event {
      case .entry(let entry):
        work += 512
        current = entry.kind == .file ? (entry.path, try RunningDigest(.md5)) : nil
      case .content(let bytes):
        work += bytes.count
        try current?.digest.update(bytes)
      case .endOfEntry:
        guard let file = current else { return }
        guard try file.digest.finish() == sums.digest(of: file.path) else { throw NotAtEnd() }
        matches += 1
      case .endOfArchive: break
      }
    }
    let end = try reader.finish()
    guard matches > 0, reader.endOfArchive != nil else { throw NotAtEnd() }
    return end
  }
}
