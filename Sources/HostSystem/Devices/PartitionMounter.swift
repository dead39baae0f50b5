// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
internal import EFIData
internal import FATFileSystem
import Glibc
internal import Messages

/// The real `PartitionAccess`.
struct PartitionMounter: Sendable {
  /// The root for device paths.
  let files: FileSystem
  /// The root with /proc and /sys.
  let system: FileSystem

  func facts(_ path: String) throws -> PartitionFacts {
    let device = try open(path)
    guard let number = device.number else { throw HostError("open", device.path, detail: "it is not a block device") }
    var facts = PartitionFacts(number: number, location: nil, content: try .init(of: device))
    do {
      facts.location = try PartitionLocation.find(number, in: system)
      if facts.location == nil {
        facts.locationProblem = Failure(
          try PartitionLocation.absence(number, in: system), hint: "use a primary partition of a disk as the ESP")
        facts.members = (try? ArrayMember.find(number, in: system)) ?? []
      }
    } catch {
      facts.locationProblem = Failure(Message(error), hint: (error as? any HintedError)?.hint)
    }
    // It may be mounted now and unmounted at any moment: read the bit again once the device is not in use.
    if facts.content.hasDirtyBit, try !device.isInUse(path: path, in: files) {
      facts.content = try .init(of: device)
      facts.isDirty = facts.content.hasDirtyBit
    }
    return facts
  }

  func systemPartitions() throws -> [SystemPartition] { try SystemPartition.all(in: system) }

  func mount(_ path: String, access: PartitionAccess.Access, label: String) throws -> FileSystem {
    let device = try open(path)
    if access == .writing { try files.gate(Mutation(.mount, label)) }
    let types: [String] =
      switch try PartitionFacts.Content(of: device) {
      case .fat, .damagedFAT: ["vfat"]
      case .other: try otherTypes()
      }
    var refusal = HostError("mount", device.path, detail: "it contains no file system that this kernel supports")
    for type in types {
      do throws(HostError) {
        let mount = try mount(device, type: type, access: access)
        // Linux sets FAT's dirty bit without flushing the device's cache: after a power cut, later writes could be on
        // the medium without the bit.
        if access == .writing {
          try SystemCall.check("sync", device.path) { psu_fsync_directory(mount.number) }
        }
        return FileSystem(mount: mount, label: label, isWritable: access == .writing, gate: files.gate)
      } catch {
        // EINVAL means that the content is another file system.
        if error.errno != EINVAL || types.count == 1 { refusal = error }
      }
    }
    throw try explained(refusal, of: device, access: access)
  }

  private func mount(
    _ device: BlockDevice, type: String, access: PartitionAccess.Access
  ) throws(HostError) -> Descriptor {
    guard access == .reading else { return try mount(device, type: type, readOnly: false) }
    do throws(HostError) {
      let context = try context(device, type)
      try context.set("ro")
      // Without this, a journal would be replayed even by a read-only mount.
      if type != "vfat" { try? context.set("norecovery") }
      return try context.mount(readOnly: true)
    } catch {
      // If it is mounted for writing elsewhere, share that superblock and so see what will be on the medium.
      guard error.errno == EBUSY else { throw error }
      return try mount(device, type: type, readOnly: true)
    }
  }

  /// Mounts with a writable superblock; the mount itself may be read-only.
  private func mount(_ device: BlockDevice, type: String, readOnly: Bool) throws(HostError) -> Descriptor {
    try context(device, type).mount(readOnly: readOnly)
  }

  private func context(_ device: BlockDevice, _ type: String) throws(HostError) -> MountContext {
    let context = try MountContext(type: type, path: device.path)
    // In another root, the kernel would resolve the path differently.
    let source = files.root == "/" ? device.path : "/proc/self/fd/\(device.descriptor.number)"
    try context.set("source", source)
    if type == "vfat" {
      try context.set("umask", "0077")
      // FAT stores local time; file times must not change with the machine's time zone.
      try context.set("tz", "UTC")
    }
    return context
  }

  /// The block device file systems that the kernel has loaded, in the order in which mount(8) tries them.
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

extension PartitionMounter {
  /// Adds the reason, if known, and a hint to an error.
  func explained(_ error: HostError, of device: BlockDevice, access: PartitionAccess.Access) throws -> HostError {
    var error = error
    let path = device.path
    switch error.errno {
    case EPERM, ENOSYS:
      error.hint = "run this as root on the host itself; containers cannot mount it"
    case ENODEV:
      error.detail = "the running kernel does not support vfat"
      error.hint = "run 'modprobe vfat'; if the running kernel's package was removed, reboot first"
    case EACCES where access == .writing, EROFS where access == .writing:
      error.detail = "it is write-protected"
      error.hint = "check 'lsblk -o NAME,RO \(path)' and the kernel log"
    case EBUSY:
      let mounts = try system.mountPoints().filter { $0.device == device.number }
      if let mount = mounts.first(where: { $0.isReadOnly }) {
        error.detail = "it is mounted read-only at \(mount.path)"
        error.hint = "run 'mount -o remount,rw \(mount.path)', or unmount it"
      } else {
        error.detail = "it is in use"
        error.hint = "try again later; 'lsblk \(path)' and 'fuser -vm \(path)' may show what uses it"
      }
    case EINVAL, EIO, EUCLEAN:
      error.hint = "run 'fsck -n \(path)' and check the kernel log"
    default:
      break
    }
    return error
  }
}

extension PartitionMounter {
  /// The names on a FAT file system, mounted or not, as stored on the device; nil for another file system.
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
      throw try explained(error, of: device, access: .writing)
    }
    for file in chosen {
      for edit in try file.removal(from: device) {
        try files.gate(Mutation(.write, path))
        let written = try SystemCall.check("write to", device.path) {
          edit.bytes.withUnsafeBytes { pwrite(writer.number, $0.baseAddress, $0.count, edit.offset) }
        }
        guard written == edit.bytes.count else { throw HostError("write to", device.path, errno: EIO) }
        // Keep the order of the edits on the disk.
        try writer.synchronize(path: device.path)
      }
    }
    return chosen
  }
}

/// A file system context for a new mount (fsopen(2)).
///
/// The kernel's message about a failure becomes the detail of its error.
struct MountContext {
  private let descriptor: Descriptor
  /// The device, for messages.
  private let path: String

  init(type: String, path: String) throws(HostError) {
    self.path = path
    descriptor = Descriptor(owning: try SystemCall.check("mount", path) { psu_fsopen(type) })
  }

  /// Sets an option, or a flag if `value` is nil.
  func set(_ key: String, _ value: String? = nil) throws(HostError) {
    try explained { psu_fsconfig_set(descriptor.number, key, value) }
  }

  /// Finds or creates the superblock and mounts it detached, so that no other process sees it.
  func mount(readOnly: Bool) throws(HostError) -> Descriptor {
    try explained { psu_fsconfig_create(descriptor.number) }
    return Descriptor(owning: try explained { psu_fsmount(descriptor.number, readOnly) })
  }

  @discardableResult
  private func explained(_ call: () -> Int32) throws(HostError) -> Int32 {
    do throws(HostError) {
      return try SystemCall.check("mount", path, call)
    } catch {
      var error = error
      if let message = message() { error.detail = "\(Message(systemError: error.errno)) (\(message))" }
      throw error
    }
  }

  /// The last line of the context's log, without the prefix for its severity.
  private func message() -> String? {
    var last: String?
    var buffer = [UInt8](repeating: 0, count: 1024)
    for _ in 0..<32 {
      let count = Glibc.read(descriptor.number, &buffer, buffer.count)
      guard count > 0 else { break }
      let line = String(decoding: buffer[..<count].prefix { $0 != 0x0a }, as: UTF8.self)
      last = String(
        line.hasPrefix("e ") || line.hasPrefix("w ") || line.hasPrefix("i ") ? line.dropFirst(2) : line[...])
    }
    return last
  }
}
