// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianArchive

/// Where a repacked package says where it comes from; with a number behind it if it was repacked before.
enum ProvenancePath {
  static let name = "pve-sb-uki-repack.provenance"

  static func isOne(_ path: ArchivePath) -> Bool {
    guard path.parents.count == 4, path.hasPrefix("usr/share/doc/") else { return false }
    let file = path.bytes.split(separator: UInt8(ascii: "/")).last ?? []
    let rest = file.dropFirst(name.utf8.count)
    return file.starts(with: name.utf8)
      && (rest.isEmpty
        || rest.first == UInt8(ascii: ".") && rest.count > 1
          && rest.dropFirst().allSatisfy { (0x30...0x39).contains($0) })
  }
}
