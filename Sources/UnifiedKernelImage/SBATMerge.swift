// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
internal import Messages
internal import PortableExecutable

/// The UKI's `.sbat`: the lines of the stub, the kernel, the UKI itself and the user.
enum SBATMerge {
  /// The line that UAPI.5 requires in every UKI, so that a flaw of the format can be revoked.
  static let ownLine =
    "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/\n"

  /// Returns the merged content, or nil to keep the stub's own.
  ///
  /// A stub whose data is not in a section has room for any content: the UKI gets a new section.
  /// Stub 252 has `.sdmagic` only 0x100 bytes after the start of `.sbat`. If the merged data does not fit, the stub's
  /// own is kept with a note. Throws `ImageError` if this would omit lines of the kernel or the user.
  static func merged(
    _ recipe: ImageRecipe, stub: Stub, kernel: KernelImage, notes: inout [Message]
  ) throws -> [UInt8]? {
    guard let own = stub.sbat else {
      throw ImageError(.stub, "\(stub.name) has no .sbat section; shim rejects such a UKI")
    }
    var sbat = try recipe.stub.parsed(.stub) { try SBAT(parsing: own) }
    if let lines = kernel.sbat {
      sbat = sbat.merged(with: try recipe.linux.parsed(.kernel) { try SBAT(parsing: lines) })
    }
    sbat = sbat.merged(with: try SBAT(parsing: Array(ownLine.utf8)))
    if let input = recipe.sbat {
      let lines = try input.contents(limit: 1 << 14, of: .content)
      sbat = sbat.merged(with: try input.parsed(.content) { try SBAT(parsing: lines) })
    }
    let bytes = sbat.serialize()
    guard let section = stub.header.section(named: SectionName.sbat) else { return bytes }
    let next = stub.header.sections.map(\.memoryRange.lowerBound).filter { $0 > section.memoryRange.lowerBound }.min()
    guard let next, bytes.count > next - section.memoryRange.lowerBound else { return bytes }
    let room = next - section.memoryRange.lowerBound
    guard recipe.sbat == nil, kernel.sbat == nil else {
      throw ImageError(
        .section, "\(stub.version) has room for \(room) bytes of SBAT data; \(bytes.count) are needed",
        hint: "use the stub from Debian 13 or later with --stub")
    }
    // Stub 252, in every UKI of Debian 12: the UKI has only the stub's own lines, and nothing can be done about it.
    return nil
  }
}
