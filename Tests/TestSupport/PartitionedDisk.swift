// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Disk images of 8 MiB with a GUID Partition Table created by standard tools: an EFI System Partition in the second
/// MiB and, as number 7, another partition in the third.
package enum PartitionedDisk {
  package static let size = 8 << 20
  package static let diskGUID = "deadbeef-0000-4000-8000-00000000cafe"
  package static let systemPartitionGUID = "11111111-2222-4333-8444-555566667777"
  package static let otherGUID = "a1b2c3d4-e5f6-4708-890a-0b0c0d0e0f10"

  /// Creates an image at `path` with a block size of 512, by sgdisk, or 4096, by fdisk: sgdisk gets it from the device.
  package static func make(at path: String, blockSize: Int = 512) throws {
    try ExternalTool("truncate").run(["-s", "0", path])
    try ExternalTool("truncate").run(["-s", "\(size)", path])
    if blockSize == 512 {
      try ExternalTool("sgdisk").run([
        "-U", diskGUID, "-n", "1:2048:4095", "-t", "1:ef00", "-u", "1:\(systemPartitionGUID)", "-n", "7:4096:6143",
        "-u", "7:\(otherGUID)", path,
      ])
    } else {
      let commands = [
        "g", "n", "1", "256", "511", "n", "7", "512", "767", "t", "1", "1", "x", "u", "1", systemPartitionGUID, "u",
        "7", otherGUID, "i", diskGUID, "r", "w",
      ]
      let input = commands.joined(separator: "\n") + "\n"
      try ExternalTool("fdisk").run(["-b", "\(blockSize)", path], input: Array(input.utf8))
    }
  }
}
