// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import Cryptography
package import HostSystem
internal import Messages
internal import PortableExecutable
internal import UnifiedKernelImage

/// `pve-sb-uki inspect`: shows the parts of an EFI image.
package struct InspectImage: Sendable {
  package var path: String

  package init(path: String) { self.path = path }

  package struct Section: Hashable, Sendable {
    package var name: String
    /// Size of the content in bytes, without padding.
    package var size: Int
    package var virtualAddress: Int
    package var rawSize: Int
    package var fileOffset: Int
    /// As in the section table.
    package var characteristics: Int
    /// SHA-256 of the content in hexadecimal.
    package var sha256: String
    /// The content of sections with text; nil for others.
    package var text: String?
  }

  package struct Report: Sendable {
    package var path: String
    package var fileSize: Int
    package var machine: String
    /// `systemd-stub 257.13-1~deb13u1`; nil for other programs.
    package var stub: String?
    package var isUnifiedKernelImage: Bool
    package var isNXCompatible: Bool
    package var checkSum: Int
    package var sections: [Section]
    /// Authenticode digests by algorithm, in hexadecimal.
    package var digests: [String: String]
    package var signatures: [SignatureReport]
  }

  private static let textSections: Set<String> = [
    SectionName.commandLine, SectionName.osRelease, SectionName.uname, SectionName.sbat, SectionName.stubMagic,
    ".pcrsig", ".pcrpkey", ".profile",
  ]

  /// Reads the image.
  ///
  /// Throws `Failure` if it cannot be read or is malformed.
  package func run(on host: Host) throws -> Report {
    try describing(path) {
      let source = try host.userFiles.openFile(path)
      let image = try SignedImage(parsing: source)
      let buffer = TransferBuffer()
      let sections = try image.header.sections.map { try Self.describe($0, in: source, through: buffer) }
      let magic = sections.first { $0.name == SectionName.stubMagic }?.text ?? ""
      var digests: [String: String] = [:]
      for algorithm in [DigestAlgorithm.sha1, .sha256] {
        digests[algorithm.rawValue] = try ImageDigest.compute(
          of: source, header: image.header, algorithm: algorithm, buffer: buffer
        ).hexadecimal
      }
      return Report(
        path: path, fileSize: source.count, machine: image.header.machine.description,
        stub: magic.hasPrefix("#### LoaderInfo: ") ? String(magic.dropFirst(17).prefix { $0 != "#" }.dropLast()) : nil,
        isUnifiedKernelImage: image.header.section(named: SectionName.linux) != nil,
        isNXCompatible: image.header.isNXCompatible, checkSum: Int(image.header.checkSum), sections: sections,
        digests: digests,
        signatures: try image.signatures(in: source, buffer: buffer).map { try SignatureReport($0, verdict: $1) })
    }
  }

  /// Passes the content of the first section called `name` to `body`, one buffer at a time.
  ///
  /// Throws `Failure`.
  package func extract(_ name: String, on host: Host, to body: (UnsafeRawBufferPointer) throws -> Void) throws {
    try describing(path) {
      let source = try host.userFiles.openFile(path)
      let header = try PEHeader(parsing: source)
      guard let section = header.section(named: name) else {
        let names = header.sections.map(\.name).joined(separator: " ")
        throw Failure("\(path) has no section \(name)", hint: "use one of: \(names)")
      }
      try TransferBuffer().forEachChunk(of: source, in: section.contentRange, body)
    }
  }

  private static func describe(
    _ section: SectionHeader, in source: any RandomAccessBytes, through buffer: TransferBuffer
  ) throws -> Section {
    let range = section.contentRange
    var digest = try Digest(.sha256)
    try digest.update(contentsOf: source, in: range, through: buffer)
    var text: String?
    if textSections.contains(section.name), range.count <= 1 << 16 {
      let bytes = try source.readBytes(at: range.lowerBound, count: range.count, format: section.name)
      text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return Section(
      name: section.name, size: range.count, virtualAddress: section.memoryRange.lowerBound,
      rawSize: Int(section.rawSize), fileOffset: Int(section.rawPointer),
      characteristics: Int(section.characteristics.rawValue), sha256: try digest.finish().hexadecimal, text: text)
  }
}
