// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

extension BootMigration {
  /// The steps that exchange the partition at /boot for a directory of the root file system.
  struct Switch {
    private let host: Host
    private var record: BootMigrationRecord

    static let backupPath = "/etc/fstab.pve-sb-uki"

    /// `old` is the record of an earlier attempt.
    init(_ host: Host, _ plan: BootMigrationPlan, after old: BootMigrationRecord?) {
      self.host = host
      record = BootMigrationRecord(state: .copying, path: plan.partition.path, device: plan.partition.device)
      record.bootID = host.bootID
      record.below = Set(plan.below + (old?.below ?? [])).sorted()
    }

    /// Continues after a reboot or kill.
    init(_ host: Host, _ record: BootMigrationRecord) {
      self.host = host
      self.record = record
    }

    /// Copies, changes /etc/fstab and the mounts.
    ///
    /// Without an entry, an earlier run has disabled it and was killed. Undoes everything but the copy if a step fails,
    /// and throws its error.
    mutating func run(disabling entry: FileSystemTable.Entry?) throws {
      // With the entry disabled, this state must stay: the next boot does not mount the partition.
      if entry != nil { try record.save(to: host.files) }
      let table = try host.files.readFile(
        entry == nil ? Self.backupPath : FileSystemTable.path, limit: 1 << 20)
      do {
        try copy()
        record.state = .switching
        try record.save(to: host.files)
        if let entry {
          try writeTable(FileSystemTable(parsing: table).disabling(entry), backup: table)
        } else {
          try reload()
        }
        try unmount()
        try mountMissing()
      } catch {
        undo(table)
        throw Failure(
          "moving /boot has failed, and nothing has changed: \(error)",
          hint: (error as? any HintedError)?.hint ?? "correct this, then run 'pve-sb-uki migrate-boot' again")
      }
      try finish()
    }

    /// Mounts what was mounted below /boot.
    func mountMissing() throws {
      let mounted = Set(try host.files.mountPoints().map(\.path))
      for path in record.below where !mounted.contains(path) { try command("mount", path) }
    }

    /// Records that /boot has moved.
    mutating func finish() throws {
      try mountMissing()
      record.state = .rebuilding
      try record.save(to: host.files)
    }

    private func copy() throws {
      // Nothing may change while it is copied.
      try command("mount", "-o", "remount,ro", BootPartition.mountPath)
      host.progress("copying \(record.path)")
      let result = try BootMigrationShell.collect(BootMigrationShell.copy, on: host)
      guard result.status == 0 else {
        let text = String(decoding: result.errors + result.output, as: UTF8.self)
        throw Failure(
          "copying /boot failed: \(text.split(separator: "\n").prefix(3).joined(separator: "; "))",
          hint: "the copy is at /mnt/boot after: mount --bind / /mnt; to compare: diff -r /boot /mnt/boot")
      }
    }

    private func writeTable(_ content: [UInt8], backup: [UInt8]) throws {
      let mode = try host.files.status(of: FileSystemTable.path)?.mode ?? 0o644
      try host.files.replaceFile(Self.backupPath, mode: mode & 0o777, content: backup)
      try host.files.replaceFile(FileSystemTable.path, mode: mode & 0o777, content: content)
      try reload()
    }

    private func reload() throws {
      if try host.files.exists("/run/systemd/system") { try command("systemctl", "daemon-reload") }
    }

    private func unmount() throws {
      let mounted = Set(try host.files.mountPoints().map(\.path))
      for path in record.below.reversed() + [BootPartition.mountPath] where mounted.contains(path) {
        do {
          try command("umount", path)
        } catch let error as Failure {
          throw Failure(
            error.message, hint: "find the programs that use it with 'fuser -vm \(path)', end them, and try again")
        }
      }
      guard try host.files.mountPoints().allSatisfy({ $0.path != BootPartition.mountPath }) else {
        throw Failure("another file system is mounted at /boot now")
      }
    }

    /// Restores /etc/fstab and the mounts as far as possible; the copy stays for the next attempt.
    private mutating func undo(_ table: [UInt8]) {
      record.state = .copying
      let mode = (try? host.files.status(of: FileSystemTable.path))??.mode ?? 0o644
      if (try? host.files.readFile(FileSystemTable.path, limit: 1 << 20)) != table {
        _ = try? host.files.replaceFile(FileSystemTable.path, mode: mode & 0o777, content: table)
        try? reload()
      }
      let mounted = Set(((try? host.files.mountPoints()) ?? []).map(\.path))
      for path in [BootPartition.mountPath] + record.below where !mounted.contains(path) { try? command("mount", path) }
      try? command("mount", "-o", "remount,rw", BootPartition.mountPath)
      try? record.save(to: host.files)
    }

    private func command(_ program: String, _ arguments: String...) throws {
      let code = try host.run(program, arguments: arguments)
      guard code == 0 else {
        throw Failure("\(([program] + arguments).joined(separator: " ")) failed with exit code \(code)")
      }
    }
  }
}
