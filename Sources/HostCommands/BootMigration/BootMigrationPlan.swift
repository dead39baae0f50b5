// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import BootPaths
internal import EFIData
internal import HostSystem
internal import Messages
internal import Reconcile
internal import SigningKeys

/// What `migrate-boot` has found, and why it must not start.
///
/// Changes nothing.
struct BootMigrationPlan {
  let partition: BootPartition
  /// The entry of /boot in /etc/fstab; nil if an earlier run has already disabled it, or if that is an obstacle.
  private(set) var entry: FileSystemTable.Entry?
  /// The mount points below /boot, the upper ones first.
  private(set) var below: [String] = []
  /// Bytes in use on /boot, and bytes free on the root file system.
  private(set) var used = 0
  private(set) var free = 0
  /// Each reason with what to do about it; empty if the migration can start.
  private(set) var obstacles: [Failure] = []
  private(set) var notes: [Message] = []

  /// Room for the initrds that are rebuilt, in bytes.
  private static let reserve = 256 << 20

  /// `record` is that of an earlier run, from which files in the root's own /boot come.
  ///
  /// Throws `Failure` if /boot is not a partition that can be migrated, `HostError` if the host cannot be read.
  init(_ mount: MountPoint, mounts: [MountPoint], after record: BootMigrationRecord?, on host: Host) throws {
    try Self.requireBlockDevice(mount)
    partition = try BootPartition(mount.device, on: host)
    let table = FileSystemTable(
      parsing: try host.files.readFileIfPresent(FileSystemTable.path, limit: 1 << 20) ?? [])
    if record?.state != .switching || table.entries.contains(where: { $0.path == BootPartition.mountPath }) {
      readTable(table, on: host)
    }
    readMounts(below: mounts, table, on: host)
    try measure(on: host)
    if record == nil { try examineHiddenFiles(on: host) }
    try examineBoot(on: host)
    do {
      try Configuration(of: host.files).signingKey.requireSignature(from: host)
    } catch {
      obstacles.append(Failure("the UKIs cannot be rebuilt: \(error)", hint: (error as? any HintedError)?.hint))
    }
    if try PackageTransaction.isUnderWay(in: host.files) {
      obstacles.append(Failure("apt is running", hint: "wait until it has ended"))
    }
    if try SecretStorage.isUnencrypted(rootOf: mounts, on: host) {
      notes.append("the root file system is not encrypted, so its /boot will not be either")
    }
  }

  private static func requireBlockDevice(_ mount: MountPoint) throws {
    switch mount.fileSystem {
    case "vfat":
      throw Failure("/boot is the ESP itself", hint: "mount the ESP at /boot/efi instead, and move the kernels by hand")
    case "zfs":
      throw Failure(
        "/boot is the ZFS dataset \(mount.source), which is not a partition",
        hint: "its pool is encrypted or not as a whole; to move the files, copy them and set its mountpoint to none")
    case "autofs":
      throw Failure(
        "/boot is mounted on demand", hint: "remove x-systemd.automount from its line in /etc/fstab, and reboot")
    default: break
    }
    guard mount.device.major != 0, mount.root == "/" else {
      throw Failure(
        "/boot is \(mount.root) of \(mount.source), a part of a larger file system",
        hint: "such a subvolume can stay as it is: it is encrypted if the file system is")
    }
  }

  private mutating func readTable(_ table: FileSystemTable, on host: Host) {
    let entries = table.entries.filter { $0.path == BootPartition.mountPath }
    guard let entry = entries.first, entries.count == 1 else {
      obstacles.append(
        Failure(
          entries.isEmpty ? "/etc/fstab has no line for /boot" : "/etc/fstab has \(entries.count) lines for /boot",
          hint: "write one line, then check it with: findmnt --verify"))
      return
    }
    guard isDevice(entry, partition.device, on: host) else {
      obstacles.append(
        Failure(
          "/etc/fstab mounts \(entry.source) at /boot, but \(partition.path) is mounted there",
          hint: "correct the line, then check it with: findmnt --verify"))
      return
    }
    self.entry = entry
  }

  private func isDevice(_ entry: FileSystemTable.Entry, _ device: DeviceNumber, on host: Host) -> Bool {
    guard let path = entry.devicePath else { return false }
    return (try? host.files.status(of: path))??.blockDevice == device
  }

  private mutating func readMounts(below mounts: [MountPoint], _ table: FileSystemTable, on host: Host) {
    var seen: Set<String> = []
    for mount in mounts where mount.path.hasPrefix("/boot/") && seen.insert(mount.path).inserted {
      below.append(mount.path)
      let entries = table.entries.filter { $0.path == mount.path }
      let isListed = entries.count == 1 && isDevice(entries[0], mount.device, on: host)
      guard mount.fileSystem != "autofs", isListed else {
        obstacles.append(
          Failure(
            mount.fileSystem == "autofs"
              ? "\(mount.path) is mounted on demand" : "\(mount.path) is mounted, but not by one line of /etc/fstab",
            hint:
              "give it a line without x-systemd.automount in /etc/fstab, or unmount it: umount \(mount.path.shellWord)")
        )
        continue
      }
    }
    below.sort()
  }

  private mutating func measure(on host: Host) throws {
    used = try host.files.usedSpace(at: BootPartition.mountPath)
    free = try host.files.availableSpace(at: "/")
    if try host.files.isReadOnly(at: "/") {
      obstacles.append(Failure("the root file system is mounted read-only", hint: "run: mount -o remount,rw /"))
    }
    guard free < used + Self.reserve else { return }
    obstacles.append(
      Failure(
        """
        the root file system has \(free >> 20) MiB free; /boot has \(used >> 20) MiB, and rebuilding initrds needs \
        \(Self.reserve >> 20) MiB more
        """, hint: "remove old kernels with 'apt autoremove --purge', or make room on the root file system"))
  }

  /// Files that /boot has on the root file system itself, hidden by the mount.
  private mutating func examineHiddenFiles(on host: Host) throws {
    let script = "mount --bind / /mnt && cd /mnt/boot && find . -mindepth 1 ! -type d"
    let found = try BootMigrationShell.collect(script, on: host)
    guard found.status == 0 else {
      obstacles.append(
        Failure("cannot look below the mount point /boot: \(String(decoding: found.errors, as: UTF8.self).firstLine)"))
      return
    }
    let names = String(decoding: found.output, as: UTF8.self).split(separator: "\n").map { "/boot\($0.dropFirst())" }
    guard !names.isEmpty else { return }
    obstacles.append(
      Failure(
        """
        the root file system has files of its own below the mount point /boot: \
        \(names.prefix(3).joined(separator: ", "))\(names.count > 3 ? " …" : "")
        """, hint: "look at them with: mount --bind / /mnt && ls -l /mnt/boot; then remove them there, and: umount /mnt"
      ))
  }

  /// Whether anything but a UKI still needs the partition.
  private mutating func examineBoot(on host: Host) throws {
    let evidence = try BootEvidence(of: host)
    guard let name = evidence?.imageName, UKIName(fileName: name) != nil else {
      obstacles.append(
        Failure(
          "this machine was not booted from a UKI of pve-sb-uki, so its boot loader may need /boot",
          hint: "run 'pve-sb-uki status', and reboot once it says that this machine starts from a UKI"))
      return
    }
    let survey = try ESPSurvey(of: host, Configuration(of: host.files))
    for path in try BootPathSurvey(of: host, survey).paths where path.steps.contains(where: { $0.program == .grub }) {
      if case .removable = path.origin {
        notes.append("\(path.name) starts GRUB, which will not find its menu without the partition")
      } else if path.outcome == .starts || path.outcome == .depends {
        obstacles.append(
          Failure(
            "\(path.name) starts GRUB, which reads kernels and its menu from /boot",
            hint: "remove such entries with: pve-sb-uki boot forget --foreign"))
      }
    }
  }
}

extension String {
  fileprivate var firstLine: Substring { prefix { $0 != "\n" } }
}
