// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem

/// What `root=` or `resume=` can name.
enum RootDevice: Hashable {
  /// A path in /dev, or the link that udev makes for a UUID or label.
  case path(String)
  /// A ZFS file system; nil where the initrd finds it itself.
  case dataset(String?)
  /// A file system that is reached by network, or one of another kind that no device holds.
  case elsewhere
  /// systemd's own search, which only its initrd does.
  case automatic
  /// Nothing that is known here.
  case unknown

  /// `isZFS`: whether `boot=zfs` lets a bare name be that of a ZFS file system.
  init(_ value: String, isZFS: Bool) {
    func rest(_ prefix: String) -> String { String(value.dropFirst(prefix.count)) }
    let links = [("UUID=", "by-uuid"), ("LABEL=", "by-label"), ("PARTLABEL=", "by-partlabel")]
    if let (prefix, directory) = links.first(where: { value.hasPrefix($0.0) }) {
      self = .path("/dev/disk/\(directory)/\(Self.linkName(rest(prefix)))")
    } else if value.hasPrefix("PARTUUID=") {
      // The kernel also takes PARTUUID=…/PARTNROFF=n, and does not mind the case.
      let name = rest("PARTUUID=")
      self = name.utf8.contains(UInt8(ascii: "/")) ? .unknown : .path("/dev/disk/by-partuuid/\(name.lowercased())")
    } else if value == "/dev/nfs" || Self.networkKinds.contains(where: { value.hasPrefix($0) }) || value == "tmpfs" {
      self = .elsewhere
    } else if value.hasPrefix("/dev/") {
      self = .path(value)
    } else if value == "gpt-auto" || value == "gpt-auto-force" || value == "dissect" {
      self = .automatic
    } else if value.lowercased().hasPrefix("zfs:") || value.lowercased().hasPrefix("zfs=") {
      let name = rest("zfs:")
      self = .dataset(name.isEmpty || name == "AUTO" ? nil : name)
    } else if value == "ZFS" || value == "zfs" {
      self = .dataset(nil)
    } else if isZFS, !value.hasPrefix("/") {
      self = .dataset(value)
    } else {
      self = .unknown
    }
  }

  private static let networkKinds = ["nfs", "nbd", "iscsi:", "dhcp", "fcoe", "aoe", "9p:", "virtiofs:", "mtd", "ubi"]

  /// The path of the device, or what it would be.
  var path: String? { if case .path(let path) = self { path } else { nil } }

  /// As udev writes a label: what is neither a letter, a digit, one of `#+-.:=@_` nor beyond ASCII stands as `\x20`.
  private static func linkName(_ label: String) -> String {
    var bytes: [UInt8] = []
    for byte in label.utf8 {
      let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
      let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      if byte >= 0x80 || isLetter || isDigit || "#+-.:=@_".utf8.contains(byte) {
        bytes.append(byte)
      } else {
        let digits = String(byte, radix: 16)
        bytes += Array("\\x\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
