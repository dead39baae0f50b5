// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import FATFileSystem
import Glibc
internal import Messages

extension PartitionMounter {
  /// The names on an unmounted or mounted FAT file system as the device has them; nil for another file system.
  func volume(_ path: String) throws -> FATVolume? {
    let device = try open(path)
    return try PartitionFacts.Content(of: device) == .other ? nil : FATVolume(parsing: device)
  }

  /// Removes names without freeing their clusters, on a device that is not in use.
  func removeNames(_ path: String, _ choose: PartitionAccess.NameChoice) throws -> [FATFile] {
    let device = try open(path)
    let chosen = try choose(FATVolume(parsing: device), device)
    guard !chosen.isEmpty else { return [] }
    let writer: Descriptor
    do throws(HostError) {
      writer = try files.open(path, O_RDWR | O_EXCL | O_NONBLOCK, operation: "write to")
    } catch {
      throw try explained(error, device, .writing)
    }
    for file in chosen {
      for edit in try file.removal(from: device) {
        try files.gate(Mutation(.write, path))
        let written = try SystemCall.check("write to", device.path) {
          edit.bytes.withUnsafeBytes { pwrite(writer.number, $0.baseAddress, $0.count, edit.offset) }
        }
        guard written == edit.bytes.count else { throw HostError("write to", device.path, errno: EIO) }
        // One after the other, also on the disk.
        try writer.synchronize(path: device.path)
      }
    }
    return chosen
  }
}
