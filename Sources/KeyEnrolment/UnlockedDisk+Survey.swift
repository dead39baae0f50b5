// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

extension UnlockedDisk {
  private static let program = "cryptsetup"
  /// Bytes; the metadata of a header has at most 4 MiB.
  private static let metadataLimit = 8 << 20

  /// All disks with LUKS of the running machine.
  ///
  /// Throws `HostError` if udev's database cannot be read.
  package static func all(on host: Host) throws -> [UnlockedDisk] {
    guard host.isRunningSystem else { return [] }
    return try EncryptedDevice.all(in: host.files).map { device in
      // LUKS1 has no tokens; clevis then keeps its data where only its own tools look.
      guard device.version != 1 else { return UnlockedDisk(device: device.path, unknown: "it has the format LUKS1") }
      do {
        let result = try host.processes.collect(
          program, arguments: ["luksDump", "--dump-json-metadata", device.path], limit: metadataLimit)
        guard result.status == 0 else {
          return UnlockedDisk(device: device.path, unknown: "cryptsetup cannot read its header")
        }
        return UnlockedDisk(device: device.path, try LUKSMetadata(parsing: result.output))
      } catch let error as HostError {
        return UnlockedDisk(device: device.path, unknown: "\(error)")
      } catch {
        return UnlockedDisk(device: device.path, unknown: "the header's metadata is damaged: \(error)")
      }
    }
  }
}
