// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import InitialRAMDisk
internal import Messages
internal import PortableExecutable
internal import UnifiedKernelImage

/// What a UKI says about how its kernel starts.
package struct ExaminedImage: Hashable, Sendable {
  /// The kernel release in `.uname`; nil without that section.
  package var uname: String?
  /// The command line; empty without one.
  package var commandLine: String
  package var initrd: InitrdContents
  package var usage: ImageUsage

  package init(uname: String?, commandLine: String, initrd: InitrdContents, usage: ImageUsage = ImageUsage()) {
    self.uname = uname
    self.commandLine = commandLine
    self.initrd = initrd
    self.usage = usage
  }

  private static let unameLimit = 256
  private static let commandLineLimit = 1 << 16

  /// Reads a UKI; of a UKI with several profiles, the parts that all have in common.
  ///
  /// Does not read the initrd if it is that of `known`.
  ///
  /// The microcode precedes the initrd, as for the kernel. Throws `ParseError` as `InitialRAMDisk` and `PEHeader` do,
  /// and what reading `source` throws.
  package init(
    reading source: any RandomAccessBytes, sharingInitrdWith known: ExaminedImage? = nil,
    limits: InitialRAMDisk.Limits = InitialRAMDisk.Limits(),
    isOverdue: @escaping () -> Bool = { false }
  ) throws {
    let header = try PEHeader(parsing: source)
    func text(_ name: String, limit: Int) throws -> String? {
      guard let range = header.section(named: name)?.contentRange else { return nil }
      guard range.count <= limit else {
        throw ParseError(
          PEHeader.format, at: range.lowerBound, .limit, "section \(name) has \(range.count) bytes, more than \(limit)")
      }
      let bytes = try source.readBytes(at: range.lowerBound, count: range.count, format: PEHeader.format)
      return String(decoding: bytes.prefix { $0 != 0 && $0 != 0x0a }, as: UTF8.self)
    }
    uname = try text(SectionName.uname, limit: Self.unameLimit)
    commandLine = try text(SectionName.commandLine, limit: Self.commandLineLimit) ?? ""
    if let known {
      initrd = known.initrd
      usage = known.usage.withSizes(of: header)
      return
    }
    var contents = InitrdContents()
    var usage = ImageUsage(of: header)
    let disk = InitialRAMDisk(ImageUsage.initrd(of: header, in: source), limits: limits, isOverdue: isOverdue)
    let segments = try disk.forEachMember {
      contents.add($0)
      usage.add($0)
    }
    usage.finish(segments, isComplete: true)
    initrd = contents
    self.usage = usage
  }
}
