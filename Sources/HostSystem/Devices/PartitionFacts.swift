// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import EFIData
package import FATFileSystem
package import Messages

/// What is known about a partition without mounting it.
package struct PartitionFacts: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    case fat(FATBootSector)
    /// A FAT file system that cannot be mounted, and why not.
    case damagedFAT(ParseError)
    case other
  }

  package var number: DeviceNumber
  /// Nil unless it is a GPT partition or a primary one of an MBR: firmware has no permanent device path for others.
  package var location: PartitionLocation?
  /// Why it has no `location`, and what to do.
  package var locationProblem: Failure?
  /// The partitions that have the same content, if it is a RAID 1 array.
  package var members: [ArrayMember]
  package var content: Content
  /// Whether its FAT file system was not unmounted cleanly: the dirty bit is set and it is not mounted.
  package var isDirty: Bool

  package init(
    number: DeviceNumber, location: PartitionLocation?, locationProblem: Failure? = nil,
    members: [ArrayMember] = [], content: Content, isDirty: Bool = false
  ) {
    self.number = number
    self.location = location
    self.locationProblem = locationProblem
    self.members = members
    self.content = content
    self.isDirty = isDirty
  }
}

extension PartitionFacts.Content {
  var hasDirtyBit: Bool { if case .fat(let sector) = self { sector.isDirty } else { false } }

  /// Reads the first sector.
  init(of device: some RandomAccessBytes) throws {
    do {
      let sector = try device.readBytes(at: 0, count: FATBootSector.byteCount, format: "FAT boot sector")
      self = .fat(try FATBootSector(parsing: sector))
    } catch let error as ParseError {
      self = error.rule == .magic || error.rule == .truncated ? .other : .damagedFAT(error)
    }
  }
}
