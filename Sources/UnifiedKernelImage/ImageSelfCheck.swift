// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
package import BinaryFormat
internal import Cryptography
internal import Messages
internal import PortableExecutable

/// Reads an image back after it was written and holds it against its plan.
package enum ImageSelfCheck {
  /// Parses `written` anew, compares its headers and every section's place and size with the plan, and digests all of
  /// it again: the digest taken of the inputs as they passed covers every section's bytes.
  ///
  /// If the image was signed, the signature must be there, hold, and be by that certificate.
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
    guard found.count == expected.count else { throw failure("its headers have another size") }
    for range in late {
      expected.replaceSubrange(range, with: repeatElement(0, count: range.count))
      found.replaceSubrange(range, with: repeatElement(0, count: range.count))
    }
    guard found == expected else { throw failure("its headers differ") }
    for content in plan.added where header.section(named: content.name)?.contentRange.count != content.size {
      throw failure("section \(content.name) has not its \(content.size) bytes")
    }
    guard try ImageDigest.compute(of: written, header: header) == result.digest else {
      throw failure("its content differs")
    }
    guard let certificate = result.certificate else { return }
    let signatures = try image.table.entries.map { try AuthenticodeSignature(parsing: $0) }
    guard
      let signature = signatures.last, signature.content.digest == result.digest, try signature.isIntact(),
      signature.message.signers == [certificate]
    else { throw failure("its signature does not hold") }
  }

  private static func failure(_ detail: Message) -> ImageError {
    ImageError(
      .selfCheck, "the image read back is not the one that was written: \(detail)",
      hint: "memory or storage of this machine may be failing")
  }
}
