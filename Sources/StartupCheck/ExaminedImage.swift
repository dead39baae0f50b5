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

  package init(uname: String?, commandLine: String, initrd: InitrdContents) {
    self.uname = uname
    self.commandLine = commandLine
    self.initrd = initrd
  }

  private static let unameLimit = 256
  private static let commandLineLimit = 1 << 16

  /// Reads a UKI; of a UKI with several profiles, the parts that all have in common.
  ///
  /// Does not read the initrd if `known` is what it contains.
  ///
  /// The microcode precedes the initrd, as for the kernel. Throws `ParseError` as `InitialRAMDisk` and `PEHeader` do,
  /// and what reading `source` throws.
  package init(
    reading source: any RandomAccessBytes, initrd known: InitrdContents? = nil,
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
      initrd = known
      return
    }
    let parts = [SectionName.microcode, SectionName.initrd].compactMap { header.section(named: $0)?.contentRange }
    var contents = InitrdContents()
    try InitialRAMDisk(JoinedBytes(source, parts, alignment: 4), limits: limits, isOverdue: isOverdue).forEachMember {
      contents.add($0)
    }
    initrd = contents
  }
}
