// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension ArArchive {
  /// The 60 bytes that dpkg-deb writes before a member of `size` bytes: root's, mode 100644. Nil for a name of more than
  /// 15 bytes or a number that has no room.
  package static func header(name: String, size: Int, modified: Int) -> [UInt8]? {
    field("\(name)", 16).flatMap { name in
      guard name.last == UInt8(ascii: " "), let time = field("\(modified)", 12), let size = field("\(size)", 10) else {
        return nil
      }
      let owner = Array("0     0     100644  ".utf8)
      return name + time + owner + size + [0x60, 0x0a]
    }
  }

  private static func field(_ text: String, _ width: Int) -> [UInt8]? {
    let bytes = Array(text.utf8)
    guard bytes.count <= width else { return nil }
    return bytes + repeatElement(UInt8(ascii: " "), count: width - bytes.count)
  }
}
