// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
package import BinaryFormat
internal import Messages
internal import PortableExecutable

/// Compares a UKI that was read back with what was written.
package enum ImageSelfCheck {
  /// Compares every byte of `written`: headers and certificate table with the result of writing, the sections with the
  /// inputs, which are read once more.
  ///
  /// So the digest that was computed while writing is that of `written`. If the UKI was signed, its last signature must
  /// be valid for this digest and made with that certificate.
  ///
  /// Throws `ImageError` `selfCheck`, and the errors of reading; also if an input changed since it was opened.
  package static func check(
    _ written: any RandomAccessBytes, against plan: ImagePlan, result: ImageBuilder.Result
  ) throws {
    let header = try PEHeader(parsing: written)
    try header.requireSeparateMemory()
    guard header.bytes == result.image.header else { throw failure("its headers differ") }
    for (section, content) in zip(header.sections.suffix(plan.added.count), plan.added)
    where section.name != content.name || section.contentRange.count != content.size {
      throw failure("section \(content.name) is not \(content.size) bytes long")
    }
    guard try result.image.isEqual(to: written, content: plan.forEachChunk) else {
      // If an input changed, the storage is not to blame.
      for part in plan.added.flatMap(\.parts) { try part.requireUnchanged() }
      throw failure("its content differs")
    }
    guard let certificate = result.certificate else { return }
    guard try result.image.isSigned(by: certificate, in: written) else { throw failure("its signature is invalid") }
  }

  private static func failure(_ detail: Message) -> ImageError {
    ImageError(
      .selfCheck, "the UKI read back differs from the one written: \(detail)",
      hint: "check this machine's memory and storage")
  }
}
