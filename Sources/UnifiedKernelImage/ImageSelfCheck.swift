// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
package import BinaryFormat
internal import Cryptography
internal import Messages
internal import PortableExecutable

/// Reads a written UKI back and compares it with its plan.
package enum ImageSelfCheck {
  /// Compares the headers, section offsets and sizes of `written` with the plan, and its digest with the result.
  ///
  /// The digest was computed while writing and covers the bytes of every section. If the UKI was signed, its last
  /// signature must be valid and made with that certificate.
  ///
  /// Throws `ImageError` `selfCheck`.
  package static func check(
    _ written: any RandomAccessBytes, against plan: ImagePlan, result: ImageBuilder.Result
  ) throws {
    let image = try SignedImage(parsing: written)
    let header = image.header
    try header.requireSeparateMemory()
    var expected = plan.layout.header
    var found = header.bytes
    let late = [
      plan.layout.checkSumOffset..<plan.layout.checkSumOffset + 4,
      plan.layout.certificateDirectoryOffset..<plan.layout.certificateDirectoryOffset + 8,
    ]
    guard found.count == expected.count else { throw failure("its headers have a different size") }
    for range in late {
      expected.replaceSubrange(range, with: repeatElement(0, count: range.count))
      found.replaceSubrange(range, with: repeatElement(0, count: range.count))
    }
    guard found == expected else { throw failure("its headers differ") }
    for (section, content) in zip(header.sections.suffix(plan.added.count), plan.added)
    where section.name != content.name || section.contentRange.count != content.size {
      throw failure("section \(content.name) is not \(content.size) bytes long")
    }
    guard try ImageDigest.compute(of: written, header: header) == result.digest else {
      throw failure("its content differs")
    }
    guard let certificate = result.certificate else { return }
    let signatures = try image.table.entries.map { try AuthenticodeSignature(parsing: $0) }
    guard
      let signature = signatures.last, signature.content.digest == result.digest, try signature.isIntact(),
      signature.message.signers == [certificate]
    else { throw failure("its signature is invalid") }
  }

  private static func failure(_ detail: Message) -> ImageError {
    ImageError(
      .selfCheck, "the UKI read back differs from the one written: \(detail)",
      hint: "check this machine's memory and storage")
  }
}
