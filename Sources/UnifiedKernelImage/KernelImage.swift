// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages
package import PortableExecutable

/// A kernel with an EFI stub, such as `/boot/vmlinuz-K`: the content of `.linux`.
package struct KernelImage: Sendable {
  package let header: PEHeader
  /// `uname -r` of the kernel from its x86 setup header; nil for other formats, see `releaseInBanner`.
  package let release: String?
  /// Maximum length of the command line in bytes, without the final NUL.
  package let commandLineLimit: Int
  /// The kernel's own SBAT data; nil if it has none.
  package let sbat: [UInt8]?

  /// COMMAND_LINE_SIZE minus the NUL, on every architecture that Proxmox VE supports.
  package static let usualCommandLineLimit = 2047

  /// Parses a kernel's headers.
  ///
  /// Throws `ImageError` if firmware cannot start it.
  package init(parsing input: NamedInput) throws {
    guard input.bytes.count > 0 else { throw ImageError(.kernel, "\(input.name) is empty") }
    do {
      header = try PEHeader(parsing: input.bytes)
    } catch let error as ParseError where error.rule == .magic || error.rule == .truncated && error.offset < 0x40 {
      let start = try input.bytes.readBytes(at: 0, count: min(8, input.bytes.count), format: "kernel")
      if let program = Self.compressor(of: start) {
        throw ImageError(
          .kernel, "\(input.name) is compressed with \(program); EFI firmware cannot start it",
          hint: "decompress it first: \(program) -dc \(input.name) >FILE")
      }
      throw ImageError(
        .kernel, "\(input.name) is not a kernel that EFI firmware can start: \(error)",
        hint: "use a kernel with CONFIG_EFI_STUB, such as /boot/vmlinuz-*")
    } catch let error as ParseError {
      throw ImageError(.kernel, "\(input.name): \(error)")
    }
    try input.parsed(.kernel) { [header] in try header.requireStartable() }
    guard header.section(named: SectionName.linux) == nil else {
      throw ImageError(
        .kernel, "\(input.name) is already a UKI", hint: "specify the kernel itself, /boot/vmlinuz-*")
    }
    let setup = try SetupHeader(parsing: input.bytes)
    release = setup?.release
    commandLineLimit = setup?.commandLineLimit ?? Self.usualCommandLineLimit
    sbat = try header.section(named: SectionName.sbat).map { section in
      let range = section.contentRange
      guard range.count <= 1 << 16 else {
        throw ImageError(.kernel, "\(input.name) has \(range.count) bytes of SBAT data; the maximum is 65536")
      }
      return try input.bytes.readBytes(at: range.lowerBound, count: range.count, format: "SBAT")
    }
  }
}

/// The x86 setup header (Documentation/arch/x86/boot.rst) at offset 0x1f1 of a bzImage.
private struct SetupHeader {
  let release: String?
  let commandLineLimit: Int?

  /// Nil if the header is missing.
  init?(parsing bytes: any RandomAccessBytes) throws {
    let prefix = try bytes.readBytes(at: 0, count: min(bytes.count, 1 << 16), format: "x86 setup header")
    guard prefix.count >= 0x23c, Array(prefix[0x202..<0x206]) == Array("HdrS".utf8) else { return nil }
    var reader = ByteReader(prefix, format: "x86 setup header")
    try reader.seek(to: 0x206)
    let version = try reader.read(UInt16.self)
    try reader.seek(to: 0x20e)
    let pointer = Int(try reader.read(UInt16.self))
    release = pointer == 0 ? nil : Self.text(in: prefix, at: pointer + 0x200)
    try reader.seek(to: 0x238)
    let limit = try reader.readCount(UInt32.self)
    commandLineLimit = version >= 0x0206 && limit > 0 ? limit : nil
  }

  /// The first word of the version string: `6.1.0-56-amd64 (debian-kernel@…) …`.
  private static func text(in bytes: [UInt8], at offset: Int) -> String? {
    guard offset < bytes.count else { return nil }
    let word = bytes[offset...].prefix(256).prefix { $0 > 0x20 && $0 < 0x7f }
    return word.isEmpty ? nil : String(decoding: word, as: UTF8.self)
  }
}
