// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import Cryptography
package import HostSystem
package import Messages
internal import PortableExecutable
package import StartupCheck
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
    /// The bytes by part; nil unless it is a UKI.
    package var usage: ImageUsage?
    /// Authenticode digests by algorithm, in hexadecimal.
    package var digests: [String: String]
    package var signatures: [SignatureReport]
    /// Why the certificate table could not be read to its end, or why the firmware does not read it to its end.
    package var certificateTableDefect: Message?
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
      let digests = try image.digests([.sha1, .sha256], of: source, buffer: buffer)
      let signatures = try image.signatures(in: source, buffer: buffer).map { signature in
        var report = try SignatureReport(signature)
        if let outer = signature.signature {
          report.nested = try image.signatures(nestedIn: outer, of: source, buffer: buffer).map {
            try SignatureReport($0)
          }
        }
        return report
      }
      let isUnified = image.header.section(named: SectionName.linux) != nil
      return Report(
        path: path, fileSize: source.count, machine: image.header.machine.description,
        stub: magic.hasPrefix("#### LoaderInfo: ") ? String(magic.dropFirst(17).prefix { $0 != "#" }.dropLast()) : nil,
        isUnifiedKernelImage: isUnified,
        isNXCompatible: image.header.isNXCompatible, checkSum: Int(image.header.checkSum), sections: sections,
        usage: isUnified ? try ImageUsage(of: image.header, in: source) : nil,
        digests: Dictionary(uniqueKeysWithValues: digests.map { ($0.key.rawValue, $0.value.hexadecimal) }),
        signatures: signatures, certificateTableDefect: image.table.defect.map { Message($0) })
    }
  }

  /// Passes the content of all sections called `name` to `body`, in the order of the section table and one buffer at a
  /// time, and returns their number.
  ///
  /// A UKI with several profiles (UAPI.5) may have such a section in each of them. `profile` selects one, from 0: its
  /// own section, else that of the base, as the stub does. Throws `Failure`.
  package func extract(
    _ name: String, profile: Int? = nil, on host: Host, to body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Int {
    try describing(path) {
      let source = try host.userFiles.openFile(path)
      let header = try PEHeader(parsing: source)
      let sections = try sections(of: header, in: profile).filter { $0.name == name }
      guard !sections.isEmpty else {
        let names = header.sections.map(\.name).joined(separator: " ")
        throw Failure("\(path) has no section \(name)", hint: "use one of: \(names)")
      }
      let selected = profile == nil ? sections : [sections[sections.count - 1]]
      for section in selected { try TransferBuffer().forEachChunk(of: source, in: section.contentRange, body) }
      return selected.count
    }
  }

  /// All sections, or those of the base and, after them, those of a profile.
  private func sections(of header: PEHeader, in profile: Int?) throws -> [SectionHeader] {
    guard let profile else { return header.sections }
    let starts = header.sections.indices.filter { header.sections[$0].name == ".profile" }
    let base = header.sections.prefix(starts.first ?? header.sections.count)
    if profile == 0, starts.isEmpty { return Array(base) }
    guard starts.indices.contains(profile) else {
      throw Failure("\(path) has no profile \(profile)", hint: "use a number below \(max(1, starts.count))")
    }
    let end = profile + 1 < starts.count ? starts[profile + 1] : header.sections.count
    return Array(base + header.sections[starts[profile]..<end])
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
