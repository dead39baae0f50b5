// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import HostSystem
import Reconcile
import TestSupport

/// A machine's boot variables in a temporary root.
struct BootScene {
  let directory: TemporaryDirectory

  static func partition(_ number: UInt16) -> PartitionLocation {
    PartitionLocation(
      number: 2, startBlock: 2048, blockCount: 1 << 20,
      guid: GUID(0x1111_2222, number, 0x3333, 0x4444_5555_6666_7777))
  }
  /// Two mirrored ESPs, and one of a removed disk.
  static let first = partition(1)
  static let second = partition(2)
  static let gone = partition(3)

  static func target(_ kernel: String, _ partition: PartitionLocation = first) -> BootTarget {
    BootTarget(partition: partition, path: "/EFI/Linux/pve-\(kernel).efi", label: "Proxmox VE \(kernel)")
  }

  static func option(_ target: BootTarget) throws -> LoadOption {
    try LoadOption(
      description: target.label, file: DevicePath.File(partition: target.partition, path: target.path),
      optionalData: target.optionalData)
  }

  /// The entry that grub-install creates for the ESP.
  static let grub = BootTarget(partition: first, path: "/EFI/proxmox/shimx64.efi", label: "proxmox")
  /// The firmware's own menu, as in OVMF.
  static let menu =
    "090100002c0055006900410070007000000004071400c9bdb87cebf8344faaea3ee4af6516a10406140021aa2c4614760345836e8ab6f466"
    + "23317fff0400"

  init() throws {
    directory = try TemporaryDirectory()
    try put("other", [7, 0, 0, 0])
  }

  func put(_ file: String, _ content: [UInt8]) throws {
    try directory.write("\(EFIVariableStore.directory)/\(file)", content)
  }
  func put(_ variable: EFIVariableName, _ data: [UInt8]) throws { try put(variable.fileName, [7, 0, 0, 0] + data) }
  func put(_ number: UInt16, _ target: BootTarget) throws {
    try put(.bootOption(number), Self.option(target).serialize())
  }
  func put(order: [UInt16], next: UInt16? = nil, current: UInt16? = nil) throws {
    try put(.bootOrder, BootOrder(order).serialize())
    if let next { try put(.bootNext, BootOrder([next]).serialize()) }
    if let current { try put(.bootCurrent, BootOrder([current]).serialize()) }
  }

  func store(_ recorder: MutationRecorder = MutationRecorder()) throws -> EFIVariableStore {
    EFIVariableStore(of: try directory.host(gate: recorder.gate).files)
  }

  func variables() throws -> BootVariables { try BootVariables(readingFrom: store()) }

  func plan(
    _ targets: [BootTarget], arePreferred: Bool = true, next: BootTarget? = nil,
    on partitions: [PartitionLocation] = [first, second], isComplete: Bool = true
  ) throws -> BootEntryPlan {
    BootEntryPlan.make(
      targets: targets, arePreferred: arePreferred, next: next, ownPartitions: partitions, isComplete: isComplete,
      present: try variables())
  }

  /// All variables by file name.
  func contents() throws -> [String: [UInt8]] {
    var contents: [String: [UInt8]] = [:]
    for name in try directory.list(EFIVariableStore.directory) {
      contents[name] = try directory.read("\(EFIVariableStore.directory)/\(name)")
    }
    return contents
  }
}
