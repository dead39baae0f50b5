// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
internal import Messages

/// A block device with a LUKS header, as udev has found it.
package struct EncryptedDevice: Hashable, Sendable {
  /// Its path in /dev.
  package var path: String
  /// The version of LUKS: 1 or 2; nil if udev does not say.
  package var version: Int?

  package init(path: String, version: Int?) {
    self.path = path
    self.version = version
  }

  /// The database of udev; files such as `b8:1` have lines such as `E:ID_FS_TYPE=crypto_LUKS`.
  private static let database = "/run/udev/data"
  private static let deviceLimit = 4096
  private static let sizeLimit = 1 << 16

  /// All of this machine, in the order of their paths.
  ///
  /// Throws `HostError`.
  package static func all(in files: FileSystem) throws -> [EncryptedDevice] {
    let names = try (files.list(database) ?? []).filter { $0.hasPrefix("b") }
    return try names.prefix(deviceLimit).compactMap { name in
      guard let number = DeviceNumber(name.dropFirst()),
        let text = try files.readTextIfPresent("\(database)/\(name)", limit: sizeLimit)
      else { return nil }
      let lines = text.split(separator: "\n")
      let key = "E:ID_FS_VERSION="
      guard lines.contains("E:ID_FS_TYPE=crypto_LUKS"),
        let device = try? PartitionLocation.diskName(in: "/sys/dev/block/\(number)/uevent", files)
      else { return nil }
      let version = lines.first { $0.hasPrefix(key) }.flatMap { Int($0.dropFirst(key.utf8.count)) }
      return EncryptedDevice(path: "/dev/\(device)", version: version)
    }
    .sorted { $0.path < $1.path }
  }
}
