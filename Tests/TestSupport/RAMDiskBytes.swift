// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Makes cpio archives in the format newc, also invalid ones.
package enum RAMDiskBytes {
  package struct Member: Sendable {
    package var name: [UInt8]
    package var mode: UInt32
    package var content: [UInt8]
    /// The sizes in the header; nil for the right ones.
    package var nameSize: Int?
    package var contentSize: Int?

    package init(_ name: String, mode: UInt32 = 0o100644, _ content: String = "") {
      self.name = Array(name.utf8) + [0]
      self.mode = mode
      self.content = Array(content.utf8)
    }

    package static func directory(_ name: String) -> Member { Member(name, mode: 0o040755) }
    package static func link(_ name: String, to target: String) -> Member { Member(name, mode: 0o120777, target) }
    package static let trailer = Member("TRAILER!!!", mode: 0)
  }

  package static func archive(_ members: [Member], magic: String = "070701", hasTrailer: Bool = true) -> [UInt8] {
    (members + (hasTrailer ? [.trailer] : [])).reduce(into: []) { $0 += bytes(of: $1, magic) }
  }

  /// An initrd of initramfs-tools with the modules and programs, by their paths.
  package static func initrd(of release: String, _ paths: [String] = []) -> [UInt8] {
    archive(
      [
        Member("init", mode: 0o100755, "#!/bin/sh"), .directory("conf"), Member("conf/initramfs.conf", "MODULES=most"),
        Member("usr/lib/modules/\(release)/modules.dep"),
      ] + paths.map { Member($0, mode: 0o100755, "content") })
  }

  private static func bytes(of member: Member, _ magic: String) -> [UInt8] {
    let sizes = (name: member.nameSize ?? member.name.count, content: member.contentSize ?? member.content.count)
    let fields = [1, Int(member.mode), 0, 0, 1, 0, sizes.content, 0, 0, 0, 0, sizes.name, 0]
    let header = fields.reduce(magic) { text, field in
      let digits = String(field, radix: 16)
      return text + String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }
    var bytes = Array(header.utf8) + member.name
    bytes += [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4) + member.content
    return bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
  }
}
