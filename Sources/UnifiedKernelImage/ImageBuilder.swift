// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
package import BinaryFormat
package import Cryptography
internal import PortableExecutable

/// Writes the UKI described by a plan, in one pass over every input and through one buffer.
package enum ImageBuilder {
  /// The result of writing.
  package struct Result: Sendable {
    /// SHA-256 Authenticode digest of the UKI.
    package let digest: [UInt8]
    /// The certificate that it is signed with; nil if it is unsigned.
    package let certificate: Certificate?
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
    let buffer = TransferBuffer()
    try writer.writeHeader(layout.header)
    for (section, source) in layout.pieces {
      switch source {
      case .base(let range): try writer.write(contentsOf: plan.stub.bytes, in: range, through: buffer)
      case .replacement(let name):
        try writer.write(contentsOf: plan.replacements[name] ?? [], through: buffer)
      case .added(let index):
        let start = writer.count
        for part in plan.added[index].parts {
          let offset = writer.count - start
          try writer.pad(to: start + (offset.roundedUp(toMultipleOf: SectionContent.partAlignment) ?? offset))
          try writer.write(contentsOf: part, through: buffer)
          try part.requireUnchanged()
        }
      }
      try writer.pad(to: section.fileRange.upperBound)
    }
    guard let identity else { return Result(digest: try writer.finish(), certificate: nil) }
    let digest = try writer.finish(signingBy: identity, at: signingTime)
    return Result(digest: digest, certificate: identity.certificate)
  }
}
