// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Authenticode
package import BinaryFormat
package import Cryptography
internal import PortableExecutable

/// Writes the UKI described by a plan, in one pass over every input and through one buffer.
package enum ImageBuilder {
  /// The result of writing.
  package struct Result: Sendable {
    package let image: WrittenImage
    /// The certificate that it is signed with; nil if it is unsigned.
    package let certificate: Certificate?

    /// SHA-256 Authenticode digest of the UKI.
    package var digest: [UInt8] { image.digest }
  }

  /// Writes the UKI to `sink`, signed with `identity` unless it is nil.
  ///
  /// `signingTime`, in seconds since 1970, goes into the signature; if nil, the same inputs give the same bytes.
  package static func write(
    _ plan: ImagePlan, to sink: any ByteSink, signingBy identity: SigningIdentity?, signingTime: Int64? = nil
  ) throws -> Result {
    let layout = plan.layout
    let writer = try SignedImageWriter(
      sink: sink, checkSumOffset: layout.checkSumOffset,
      certificateDirectoryOffset: layout.certificateDirectoryOffset)
    try writer.writeHeader(layout.header)
    try plan.forEachChunk { try writer.write($0) }
    guard let identity else { return Result(image: try writer.finish(), certificate: nil) }
    let image = try writer.finish(signingBy: identity, at: signingTime)
    return Result(image: image, certificate: identity.certificate)
  }

  /// The SHA-256 Authenticode digest of the UKI that `write` would give; writes nothing.
  package static func digest(of plan: ImagePlan) throws -> [UInt8] {
    try write(plan, to: NullSink(), signingBy: nil).digest
  }

  /// Discards everything that is written.
  private final class NullSink: ByteSink {
    func write(_ bytes: UnsafeRawBufferPointer) {}
    func patch(_ bytes: [UInt8], at offset: Int) {}
  }
}

extension ImagePlan {
  /// Passes the content of all sections to `body`, in the order of the file.
  ///
  /// Throws the errors of `body` and of reading; also if an input changed since it was opened.
  func forEachChunk(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let buffer = TransferBuffer()
    var count = layout.header.count
    func pass(_ source: any RandomAccessBytes, _ range: Range<Int>) throws {
      try buffer.forEachChunk(of: source, in: range, body)
      count += range.count
    }
    func pad(to offset: Int) throws {
      // Less than the file alignment, which is at most 64 KiB.
      try [UInt8](repeating: 0, count: max(0, offset - count)).withUnsafeBytes(body)
      count = max(count, offset)
    }
    for (section, source) in layout.pieces {
      switch source {
      case .base(let range): try pass(stub.bytes, range)
      case .replacement(let name):
        let content = replacements[name] ?? []
        try pass(content, 0..<content.count)
      case .added(let index):
        let start = count
        for part in added[index].parts {
          let offset = count - start
          try pad(to: start + (offset.roundedUp(toMultipleOf: SectionContent.partAlignment) ?? offset))
          try pass(part, 0..<part.count)
          try part.requireUnchanged()
        }
      }
      try pad(to: section.fileRange.upperBound)
    }
  }
}
