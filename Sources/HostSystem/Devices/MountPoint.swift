// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A line of /proc/self/mountinfo (proc(5)).
package struct MountPoint: Hashable, Sendable {
  package var path: String
  /// Such as `vfat`.
  package var fileSystem: String
  /// Usually a device.
  package var source: String
  /// The directory of the file system that is mounted; not `/` for part of one (mount --bind).
  package var root: String
  package var isReadOnly: Bool
  /// The number of the mounted device.
  package var device: DeviceNumber

  package init(
    path: String, fileSystem: String, source: String, root: String = "/", isReadOnly: Bool, device: DeviceNumber
  ) {
    self.path = path
    self.root = root
    self.fileSystem = fileSystem
    self.source = source
    self.isReadOnly = isReadOnly
    self.device = device
  }

  /// Parses a mountinfo text, later mounts last; other lines are ignored.
  package static func parse(_ text: String) -> [MountPoint] {
    text.split(separator: "\n").compactMap { parse(line: $0) }
  }

  private static func parse(line: Substring) -> MountPoint? {
    let fields = line.split(separator: " ", omittingEmptySubsequences: true)
    guard let separator = fields.firstIndex(of: "-"), separator >= 6, fields.count >= separator + 4,
      let device = DeviceNumber(fields[2])
    else { return nil }
    let options = fields[5].split(separator: ",") + fields[separator + 3].split(separator: ",")
    return MountPoint(
      path: unescape(fields[4]), fileSystem: unescape(fields[separator + 1]), source: unescape(fields[separator + 2]),
      root: unescape(fields[3]), isReadOnly: options.contains("ro"), device: device)
  }

  /// Space, tab, newline and backslash are written as a backslash and three octal digits.
  static func unescape(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = field.utf8[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3, let code = UInt8(String(digits) ?? "", radix: 8) {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension FileSystem {
  /// The mounts that this process sees; empty without procfs.
  package func mountPoints() throws -> [MountPoint] {
    MountPoint.parse(try readTextIfPresent("/proc/self/mountinfo", limit: 16 << 20) ?? "")
  }
}
