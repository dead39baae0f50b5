// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Headers of new entries, byte for byte as GNU tar writes them with --format=gnu for files owned by root.
package enum TarHeader {
  /// The header of a regular file.
  ///
  /// Sizes and times that do not fit in octal are binary.
  package static func file(_ path: ArchivePath, mode: Int, size: Int, modified: Int) -> [UInt8] {
    entry(Array("./".utf8) + path.bytes, type: "0", mode: mode, size: size, modified: modified)
  }

  package static func directory(_ path: ArchivePath, mode: Int, modified: Int) -> [UInt8] {
    let name = Array("./".utf8) + path.bytes + (path.bytes.isEmpty ? [] : [UInt8(ascii: "/")])
    return entry(name, type: "5", mode: mode, size: 0, modified: modified)
  }

  package static func symbolicLink(_ path: ArchivePath, to target: [UInt8], modified: Int) -> [UInt8] {
    entry(
      Array("./".utf8) + path.bytes, type: "2", mode: 0o777, size: 0, modified: modified, link: target)
  }

  /// The zeros that pad content of `size` bytes.
  package static func fill(after size: Int) -> [UInt8] {
    let rest = size % TarHeaderBlock.size
    return Array(repeating: 0, count: rest == 0 ? 0 : TarHeaderBlock.size - rest)
  }

  private static func entry(
    _ name: [UInt8], type: Unicode.Scalar, mode: Int, size: Int, modified: Int, link: [UInt8] = []
  ) -> [UInt8] {
    (link.count > TarHeaderBlock.linkField.count ? long(link, type: "K") : [])
      + (name.count > TarHeaderBlock.nameField.count ? long(name, type: "L") : [])
      + block(name, type: type, mode: mode, size: size, modified: modified, link: link)
  }

  /// The extension that carries a name of more than 100 bytes.
  static func long(_ name: [UInt8], type: Unicode.Scalar) -> [UInt8] {
    let content = name + [0]
    let header = block(
      Array("././@LongLink".utf8), type: type, mode: 0o644, size: content.count, modified: 0, link: [])
    return header + content + fill(after: content.count)
  }

  private static func block(
    _ name: [UInt8], type: Unicode.Scalar, mode: Int, size: Int, modified: Int, link: [UInt8]
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: TarHeaderBlock.size)
    func put(_ content: [UInt8], _ field: Range<Int>) {
      bytes.replaceSubrange(field.prefix(content.count), with: content.prefix(field.count))
    }
    put(name, TarHeaderBlock.nameField)
    put(TarNumber.serialize(mode & 0o7777, width: 8), TarHeaderBlock.modeField)
    put(TarNumber.serialize(0, width: 8), TarHeaderBlock.ownerField)
    put(TarNumber.serialize(0, width: 8), TarHeaderBlock.groupField)
    put(TarNumber.serialize(size, width: 12), TarHeaderBlock.sizeField)
    put(TarNumber.serialize(modified, width: 12), TarHeaderBlock.timeField)
    bytes[TarHeaderBlock.typeOffset] = UInt8(ascii: type)
    put(link, TarHeaderBlock.linkField)
    put(Array("ustar  ".utf8), TarHeaderBlock.magicField)
    put(Array("root".utf8), TarHeaderBlock.userField)
    put(Array("root".utf8), TarHeaderBlock.groupNameField)
    put(TarHeaderBlock.checksumField(of: bytes), TarHeaderBlock.checksumField)
    return bytes
  }
}
