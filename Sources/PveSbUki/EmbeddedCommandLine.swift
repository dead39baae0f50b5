// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import UnifiedKernelImage

/// What an image says of its own command line, whoever made it.
struct EmbeddedCommandLine {
  /// The content of `.cmdline`; nil without such a section.
  let line: String?
  /// The content of `.uname`; nil without such a section.
  let kernelRelease: String?

  private static let sizeLimit = 1 << 16

  /// Throws `HostError` or `ParseError` if the image cannot be read or is malformed.
  init(readingFrom file: File) throws {
    let header = try PEHeader(parsing: file)
    func text(_ name: String) throws -> String? {
      guard let range = header.section(named: name)?.contentRange else { return nil }
      guard range.count <= Self.sizeLimit else {
        throw Failure("\(file.path): its section \(name) has \(range.count) bytes")
      }
      let bytes = try file.readBytes(at: range.lowerBound, count: range.count, format: name)
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    line = try text(SectionName.commandLine)
    kernelRelease = try text(SectionName.uname)
  }
}
