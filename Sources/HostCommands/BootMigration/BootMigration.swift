// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import Reconcile

/// `pve-sb-uki migrate-boot`: moves a /boot partition into the root file system, which may be encrypted.
///
/// The partition is only read. Each step is recorded before it starts: after a kill, the next call continues, and a step
/// that fails before initrds are rebuilt is undone. The command that removes the partition is shown only after a boot
/// without it.
package struct BootMigration: Sendable {
  /// Whether to show what would be done and write nothing.
  package var isDryRun = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init() {}

  package struct Result: Sendable {
    /// Nil if /boot is not a partition, or if nothing was done.
    package var state: BootMigrationRecord.State?
    package var partition: BootPartition?
    /// What was done, or with `isDryRun` will be, as sentences.
    package var steps: [Message] = []
    package var notes: [Message] = []
    /// Why it cannot start.
    package var obstacles: [Failure] = []
    /// What to do next, as a sentence, and the command for it.
    package var next: (reason: Message, command: Message)?
  }

  /// Starts, continues or finishes the migration.
  ///
  /// Obstacles are part of the result. Throws `Failure` or `HostError` if a step fails; what was done before the rebuild
  /// is undone then.
  package func run(on host: Host) throws -> Result {
    guard host.isRunningSystem else {
      throw Failure("only the running system's /boot can be moved", hint: "run this command on that system")
    }
    let (result, isMoved) = try move(on: host)
    return isMoved && !isDryRun ? try rebuild(result, on: host) : result
  }

  /// Everything before the rebuild, for which the hooks of initramfs-tools need the lock.
  private func move(on host: Host) throws -> (result: Result, isMoved: Bool) {
    let lock = try isDryRun ? nil : host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      let record = try BootMigrationRecord.load(from: host.files)
      // A kill may have left the ESP unmounted, without which nothing else can be judged.
      if let record, !isDryRun { try? Switch(host, record).mountMissing() }
      if case .skip(let reason) = try Readiness(of: host) { throw Failure(reason.message, hint: reason.hint) }
      let mounts = try host.files.mountPoints()
      if let mount = mounts.last(where: { $0.path == BootPartition.mountPath }) {
        return try move(mount, mounts, record, on: host)
      }
      guard let record else {
        return (Result(notes: ["/boot is part of the root file system: there is nothing to move"]), false)
      }
      return try resume(record, on: host)
    }
  }

  private func move(
    _ mount: MountPoint, _ mounts: [MountPoint], _ record: BootMigrationRecord?, on host: Host
  ) throws -> (result: Result, isMoved: Bool) {
    let record = try record.flatMap { try $0.names(mount.device, on: host) ? $0 : nil }
    let plan = try BootMigrationPlan(mount, mounts: mounts, after: record, on: host)
    var result = Result(
      state: record?.state, partition: plan.partition, notes: plan.notes, obstacles: plan.obstacles)
    guard plan.obstacles.isEmpty else { return (result, false) }
    result.steps = steps(plan)
    if !isDryRun {
      var switching = Switch(host, plan, after: record)
      try switching.run(disabling: plan.entry)
    }
    return (result, true)
  }

  /// Continues without a file system at /boot.
  private func resume(_ record: BootMigrationRecord, on host: Host) throws -> (result: Result, isMoved: Bool) {
    switch record.state {
    case .unproven, .proven: return (try conclude(record, on: host), false)
    case .copying, .switching, .rebuilding:
      let table = try host.files.readFileIfPresent(FileSystemTable.path, limit: 1 << 20) ?? []
      guard FileSystemTable(parsing: table).entries.allSatisfy({ $0.path != BootPartition.mountPath }) else {
        throw Failure(
          "/boot is not mounted, but /etc/fstab has a line for it", hint: "run: mount /boot, then this command again")
      }
      if !isDryRun {
        var switching = Switch(host, record)
        try switching.finish()
      }
      return (planned(Result(state: record.state)), true)
    }
  }

  private func steps(_ plan: BootMigrationPlan) -> [Message] {
    let steps: [Message] = [
      "copy \(plan.used >> 20) MiB from \(plan.partition.path) to /boot on the root file system, and compare all files",
      "turn the line of /boot in /etc/fstab into a comment; the previous file is \(Switch.backupPath)",
      plan.below.isEmpty
        ? "unmount /boot" : "unmount /boot, and mount \(plan.below.joined(separator: ", ")) again",
    ]
    return planned(Result(steps: steps)).steps
  }

  private func planned(_ result: Result) -> Result {
    var result = result
    result.steps.append("rebuild and check all initrds and UKIs")
    return result
  }

  /// Rebuilds initrds and UKIs, and records that the next boot shall prove them.
  private func rebuild(_ result: Result, on host: Host) throws -> Result {
    var result = result
    guard var record = try BootMigrationRecord.load(from: host.files) else { return result }
    let hint: Message = "correct this, then run 'pve-sb-uki migrate-boot' again; it continues from here"
    let rebuild = try Self.initrdCommand(on: host)
    host.progress("rebuilding all initrds: \(rebuild.joined(separator: " "))")
    let code = try host.run(rebuild[0], arguments: Array(rebuild.dropFirst()))
    guard code == 0 else {
      throw Failure("\(rebuild.joined(separator: " ")) failed with exit code \(code)", hint: hint)
    }
    let report = try Apply.run(on: host)
    if let failure = report.failures.first ?? report.plan?.failures.first {
      throw Failure("the UKIs could not be rebuilt: \(failure.message)", hint: hint)
    }
    record.state = .unproven
    record.bootID = host.bootID
    try record.save(to: host.files)
    result.state = .unproven
    result.next = (
      "This machine no longer uses \(record.path). Reboot, and then run this command again:",
      "systemctl reboot"
    )
    return result
  }

  private static func initrdCommand(on host: Host) throws -> [String] {
    if try host.files.exists("/usr/sbin/update-initramfs") { return ["update-initramfs", "-u", "-k", "all"] }
    return ["dracut", "--regenerate-all", "--force"]
  }

  /// After the rebuild: asks for a boot, or names the command that removes the partition.
  private func conclude(_ old: BootMigrationRecord, on host: Host) throws -> Result {
    var record = old
    var result = Result(state: record.state)
    if record.state == .unproven, record.bootID == nil || record.bootID == host.bootID {
      result.next = ("The next boot shall prove that this machine does not need \(record.path):", "systemctl reboot")
      return result
    }
    if record.state == .unproven {
      guard let name = try BootEvidence(of: host)?.imageName, UKIName(fileName: name) != nil else {
        result.obstacles.append(
          Failure(
            "this machine was not booted from a UKI of pve-sb-uki, which would prove that it does not need \(record.path)",
            hint: "boot from a UKI, then run 'pve-sb-uki migrate-boot' again"))
        return result
      }
      record.state = .proven
      record.bootID = host.bootID
      result.state = .proven
      if !isDryRun { try record.save(to: host.files) }
    }
    guard let device = try host.files.status(of: record.path)?.blockDevice else {
      if !isDryRun { try host.files.remove(BootMigrationRecord.filePath) }
      result.notes.append(
        "\(record.path) is gone, and /boot is part of the root file system: the migration is complete")
      return result
    }
    let partition = try BootPartition(device, on: host)
    result.partition = partition
    if let command = partition.removalCommand {
      result.next = (
        "This machine has booted without \(record.path). To overwrite and remove it, which cannot be undone:", command
      )
    } else {
      result.notes.append(
        """
        this machine has booted without \(record.path); overwrite it with 'shred', then remove it with the tool that \
        made it
        """)
    }
    return result
  }
}

/// Shell scripts in a mount namespace of their own, in which /mnt is the root file system without other mounts.
enum BootMigrationShell {
  /// Runs a script; its mounts vanish with it.
  static func collect(_ script: String, on host: Host) throws -> ProcessOutput {
    try host.processes.collect(
      "unshare", arguments: ["--mount", "--propagation", "private", "sh", "-euc", script])
  }

  /// Copies /boot without the file systems that are mounted below it, and compares the copy byte by byte.
  ///
  /// cp keeps owners, modes with ACLs, times, hard links, extended attributes and holes.
  static let copy = """
    mount --bind / /mnt
    mount --bind /boot /media
    cd /media
    set --
    for name in * .[!.]* ..?*; do
      [ "$name" != lost+found ] || continue
      if [ -e "$name" ] || [ -L "$name" ]; then set -- "$@" "$name"; fi
    done
    [ $# -eq 0 ] || cp -dR --preserve=mode,ownership,timestamps,links,xattr --remove-destination -- "$@" /mnt/boot/
    sync -f /mnt/boot
    diff -r --no-dereference --exclude=lost+found /media /mnt/boot
    """
}
