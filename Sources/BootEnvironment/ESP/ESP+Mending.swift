// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import FATFileSystem
package import HostSystem
package import Messages

// Repair after a power cut.
//
// FAT has no journal. Linux sets a dirty bit while a FAT file system is mounted for writing, and only fsck.vfat(8)
// clears it. At boot, fsck runs only for file systems in fstab, which does not list the ESPs of proxmox-boot-tool.
extension ESP {
  /// Checks a file system that was not unmounted cleanly and is not mounted now.
  ///
  /// Sets `uncleanState`, and returns the lines that report damage, which pve-sb-uki never repairs. Throws
  /// `HostError`.
  mutating func examine(on host: Host) throws -> [Message] {
    guard let device else { return [] }
    // Do not run fsck.vfat first: it may loop in a damaged directory.
    let volume: FATVolume?
    do {
      volume = try host.partitions.volume(device: device)
    } catch let error as ParseError {
      return [Message(error)]
    }
    var crashed: [FATFile] = []
    if let volume {
      if let problem = CrashLeftovers.blockingProblem(in: volume) { return [problem.message] }
      crashed = try CrashLeftovers.toRemove(in: volume, paths: LoaderPath(host.machine)) { _ in false }
    }
    if let check = try FileSystemCheck(of: host.files.display(device), mending: false, on: host) {
      // pve-sb-uki's files may cause the damage; this is known only after their repair.
      guard check.damage.isEmpty || !crashed.isEmpty else { return check.damage }
      uncleanState = .mendable
    } else {
      let damagedPath = volume?.files.first { $0.chain != .sound || !$0.sharesWith.isEmpty }?.path
      if let damagedPath, crashed.isEmpty { return ["\(damagedPath) has clusters that are not its own"] }
      uncleanState = .unchecked
    }
    return []
  }

  /// Repairs pve-sb-uki's files, then runs fsck.vfat for the rest.
  ///
  /// The ESP must not be mounted. `isRight` is as for `CrashLeftovers.toRemove`. Returns one message for each repair.
  ///
  /// Throws `ESPProblem` for damage, and if the dirty bit is set and fsck.vfat is not installed; `HostError` or
  /// `ParseError` if the device cannot be read or written.
  package func mend(
    on host: Host, isRight: (FATFile, FATVolume, any RandomAccessBytes) throws -> Bool
  ) throws -> [Message] {
    guard let device else { return [] }
    var done: [Message] = []
    let paths = LoaderPath(try host.machine)
    let removed = try host.partitions.removeNames(device: device) { volume, content in
      try CrashLeftovers.toRemove(in: volume, paths: paths) { try isRight($0, volume, content) }
    }
    for file in removed { done.append("\(name): removed \(file.path.dropFirst()), left over from a power cut") }
    let path = host.files.display(device)
    if let problem = try host.partitions.volume(device: device).flatMap(CrashLeftovers.blockingProblem) {
      throw damage([problem.message], path)
    }
    guard let before = try FileSystemCheck(of: path, mending: false, on: host) else {
      guard try host.partitions.facts(device: device).isDirty else { return done }
      throw ESPProblem(
        name: name, kind: .unchecked,
        message: "ESP \(name) was not unmounted cleanly and cannot be checked",
        hint: "run 'apt install dosfstools', then run 'pve-sb-uki apply'")
    }
    try require(before, path)
    if before.remnants.contains(where: { $0 != .backupBootSector }) {
      let recovered = try recoveredFiles(host)
      let mending = try FileSystemCheck(of: path, mending: true, on: host)
      if let mending { try require(mending, path) }
      if let after = try FileSystemCheck(of: path, mending: false, on: host) { try require(after, path) }
      let words = before.remnants.filter { $0 != .backupBootSector }
      done.append("\(name) was checked and repaired: \(words.map(\.message).joined(separator: ", "))")
      do {
        // fsck.vfat turns lost clusters into files, which take up the space of UKIs.
        let files = try open(on: host, for: .writing)
        for name in try recoveredFiles(host).subtracting(recovered) { try files.remove("/\(name)") }
      } catch {
        done.append("\(name): the check left files FSCK*.REC behind: \(error)")
      }
    }
    return done
  }

  private func require(_ check: FileSystemCheck, _ path: String) throws {
    if !check.damage.isEmpty { throw damage(check.damage, path) }
  }

  /// The problem for the lines in which `FileSystemCheck` found damage.
  func damage(_ lines: [Message], _ path: String) -> ESPProblem {
    let quoted = lines.prefix(3).joined(separator: " / ")
    return ESPProblem(
      name: name, kind: .damaged, message: "ESP \(name) is damaged; the check reports: \(quoted)",
      hint: Self.repairHint(path), repair: Self.repair(path))
  }

  /// Files such as FSCK0000.REC, which fsck.vfat makes from lost clusters.
  private func recoveredFiles(_ host: Host) throws -> Set<String> {
    let files = try open(on: host, for: .reading)
    return Set(try (files.list("/") ?? []).filter(Self.isRecovered))
  }

  package static func isRecovered(_ fileName: String) -> Bool {
    let name = fileName.lowercased()
    return name.utf8.count == 12 && name.hasPrefix("fsck") && name.hasSuffix(".rec")
  }

  static func repair(_ path: String) -> String { "fsck.vfat -r \(path)" }

  static func repairHint(_ path: String) -> Message {
    "run '\(repair(path))' and answer its questions, then run 'pve-sb-uki apply'"
  }
}
