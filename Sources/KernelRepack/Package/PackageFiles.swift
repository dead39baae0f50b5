// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive

extension PackageInput {
  /// Thrown to end reading.
  private struct Enough: Error {}

  /// The regular files of the data archive that `isWanted`, in order, each as soon as it was read. `body` returns whether
  /// there is need of more. Throws `ParseError` or `CompressionError` for an archive that is damaged or unsafe.
  func forEachFile(
    where isWanted: @escaping @Sendable (ArchivePath) -> Bool, _ body: (DataScan.File) throws -> Bool
  ) throws {
    var scan = DataScan(checksAll: false) { isWanted($0.path) ? .image : nil }
    func take(_ bytes: UnsafeRawBufferPointer) throws {
      try scan.feed(bytes)
      for file in scan.takeFiles() {
        guard try body(file) else { throw Enough() }
      }
    }
    let archive = layout.data
    let limit = DataLimits.text(of: archive.member.contentRange.count)
    do {
      try archive.forEachChunk(of: file, limit: limit, take)
      _ = try scan.finish()
    } catch is Enough {}
  }
}
