// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import EFIData
package import HostSystem

/// A temporary root that simulates a running machine with two EFI System Partitions, which are directories in
/// `/dev/disk/by-uuid`, and firmware variables in a plain directory.
package enum MirroredMachine {
  package static let serials = ["1111-AAA1", "2222-BBB2"]

  package static func location(of serial: String) -> PartitionLocation? {
    serials.firstIndex(of: serial).map { index in
      PartitionLocation(
        number: 2, startBlock: 2048, blockCount: 1 << 20,
        guid: GUID(0x1111_2222, UInt16(index), 0x3333, 0x4444_5555_6666_7777))
    }
  }

  package static func path(of serial: String) -> String { "/dev/disk/by-uuid/\(serial)" }

  package static func host(root: String, gate: @escaping Mutation.Gate = { _ in }) throws -> Host {
    var host = try Host(root: root, gate: gate)
    host.isRunningSystem = true
    host.environment = { _ in nil }
    host.now = { SigningKey.now }
    host.programTime = nil
    host.kernelRelease = "6.1.0-other"
    let files = host.files
    host.partitions = PartitionAccess { device, _, _ in
      try files.subtree(device)
    } facts: { device in
      PartitionFacts(
        number: DeviceNumber(major: 8, minor: 2), location: location(of: String(PathName(device).fileName)),
        content: .other)
    }
    return host
  }
}
