// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
internal import EFIData
import Glibc
internal import Messages

/// The real `PartitionAccess`.
struct PartitionMounter: Sendable {
  /// Where the paths of devices lead.
  let files: FileSystem
  /// Where the kernel tells about them.
  let system: FileSystem

  func facts(_ path: String) throws -> PartitionFacts {
    let device = try open(path)
    guard let number = device.number else { throw HostError("open", device.path, detail: "it is not a block device") }
    var facts = PartitionFacts(number: number, location: nil, content: try .init(of: device))
    do {
      facts.location = try PartitionLocation.find(number, in: system)
    } catch {
      facts.locationNote = Message(error)
    }
    // Who has it mounted may unmount it at any moment, so the bit counts that stands there when nobody has.
    if facts.content.hasDirtyBit, try !device.isInUse(path: path, in: files) {
      facts.content = try .init(of: device)
      facts.isDirty = facts.content.hasDirtyBit
    }
    return facts
  }

  func mount(_ path: String, _ access: PartitionAccess.Access, _ label: String) throws -> FileSystem {
    let device = try open(path)
    if access == .writing { try files.gate(Mutation(.mount, label)) }
    let types: [String] =
      switch try PartitionFacts.Content(of: device) {
      case .fat, .damagedFAT: ["vfat"]
      case .other: try otherTypes()
      }
    var refusal = HostError("mount", device.path, detail: "it holds no file system that this kernel knows")
    for type in types {
      do throws(HostError) {
        let mount = try mount(device, type, access)
        // Linux sets FAT's dirty bit without having the device empty its cache: what is written later could be there
        // after a power cut, and the bit not.
        if access == .writing {
          try SystemCall.check("bring to disk", device.path) { psu_fsync_directory(mount.number) }
        }
        return FileSystem(mount: mount, label: label, isWritable: access == .writing, gate: files.gate)
      } catch {
        // EINVAL is what another file system's content means to this one.
        if error.errno != EINVAL || types.count == 1 { refusal = error }
      }
    }
    throw try explained(refusal, device, access)
  }

  private func mount(
    _ device: BlockDevice, _ type: String, _ access: PartitionAccess.Access
  ) throws(HostError) -> Descriptor {
    guard access == .reading else { return try mount(device, type, readOnly: false) }
    do throws(HostError) {
      let context = try context(device, type)
      try context.set("ro")
      // A journal would be replayed, also onto what is mounted read-only.
      if type != "vfat" { try? context.set("norecovery") }
      return try context.mount(readOnly: true)
    } catch {
      // Who has it mounted for writing shares it: what is read then is what will be on the medium.
      guard error.errno == EBUSY else { throw error }
      return try mount(device, type, readOnly: true)
    }
  }

  /// With a superblock for writing; the mount itself may be for reading only.
  private func mount(_ device: BlockDevice, _ type: String, readOnly: Bool) throws(HostError) -> Descriptor {
    try context(device, type).mount(readOnly: readOnly)
  }

  private func context(_ device: BlockDevice, _ type: String) throws(HostError) -> MountContext {
    let context = try MountContext(type: type, path: device.path)
    // Below a root of its own the path means something else to the kernel.
    let source = files.root == "/" ? device.path : "/proc/self/fd/\(device.descriptor.number)"
    try context.set("source", source)
    if type == "vfat" {
      try context.set("umask", "0077")
      // FAT keeps local time; which one that is must not change when the machine's time zone does.
      try context.set("tz", "UTC")
    }
    return context
  }

  /// The file systems on block devices that the kernel has loaded, as mount(8) tries them in their order.
  private func otherTypes() throws -> [String] {
    let text = try system.readTextIfPresent("/proc/filesystems", limit: 1 << 16) ?? ""
    return text.split(separator: "\n").filter { $0.hasPrefix("\t") && $0 != "\tfuseblk" }.map { String($0.dropFirst()) }
  }

  func open(_ path: String) throws -> BlockDevice {
    do {
      return try BlockDevice(path, in: files)
    } catch var error as HostError {
      if error.errno == EACCES || error.errno == EPERM { error.hint = "run this as root" }
      throw error
    }
  }
}
