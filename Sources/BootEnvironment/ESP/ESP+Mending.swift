// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import FATFileSystem
package import HostSystem
package import Messages

// After a power cut. FAT has no journal, so Linux marks it as dirty while it is mounted for writing, and only fsck.vfat(8)
// takes the mark away again. At boot it runs for what fstab lists; the partitions of proxmox-boot-tool's list are not in
// there.
extension ESP {
  /// Looks at a file system that was not unmounted and is not mounted now.
  ///
  /// Sets `blemish` and returns the lines that tell of damage, which is not ours to mend. Throws `HostError`.
  mutating func examine(on host: Host) throws -> [String] {
    guard let device else { return [] }
    // Not fsck.vfat first: it can get lost in a directory that is none.
    let volume: FATVolume?
    do {
      volume = try host.partitions.volume(device: device)
    } catch let error as ParseError {
      return [error.description]
    }
    var crashed: [FATFile] = []
    if let volume {
      if let obstacle = CrashedNames.obstacle(in: volume) { return [obstacle.message.description] }
      crashed = try CrashedNames.toRemove(in: volume, paths: LoaderPath(host.machine)) { _ in false }
    }
    if let check = try FileSystemCheck(of: host.files.display(device), mending: false, on: host) {
      // What names of ours have to do with it is known only once they are put right.
      guard check.damage.isEmpty || !crashed.isEmpty else { return check.damage }
      blemish = .mendable
    } else {
      let torn = volume?.files.first { $0.chain != .sound || !$0.sharesWith.isEmpty }?.path
      if let torn, crashed.isEmpty { return ["\(torn) has clusters that are not its own"] }
      blemish = .unchecked
    }
    return []
  }

  /// Puts names of ours right, then has fsck.vfat mend the rest.
  ///
  /// It must not be mounted. Returns what was done, a sentence each.
  ///
  /// Throws `ESPProblem` for damage, and for a missing fsck.vfat that would have to take the mark of a file system
  /// in use away; `HostError` or `ParseError` if the device cannot be read or written to. `isRight` is asked as by
  /// `CrashedNames.toRemove`.
  package func mend(
    on host: Host, isRight: (FATFile, FATVolume, any RandomAccessBytes) throws -> Bool
  ) throws -> [Message] {
    guard let device else { return [] }
    var done: [Message] = []
    let paths = LoaderPath(try host.machine)
    let removed = try host.partitions.removeNames(device: device) { volume, content in
      try CrashedNames.toRemove(in: volume, paths: paths) { try isRight($0, volume, content) }
    }
    for file in removed { done.append("\(name): \(file.path.dropFirst()) was left over by a power cut and is removed") }
    let path = host.files.display(device)
    if let obstacle = try host.partitions.volume(device: device).flatMap(CrashedNames.obstacle) {
      throw damage([obstacle.message.description], path)
    }
    guard let before = try FileSystemCheck(of: path, mending: false, on: host) else {
      guard try host.partitions.facts(device: device).isDirty else { return done }
      throw ESPProblem(
        name: name, kind: .unchecked,
        message: "the EFI System Partition \(name) was not unmounted and cannot be checked",
        hint: "run 'apt install dosfstools', then run 'pve-sb-uki apply'")
    }
    try require(before, path)
    if before.remnants.contains(where: { $0 != .backupBootSector }) {
      let salvaged = try salvagedFiles(host)
      let mending = try FileSystemCheck(of: path, mending: true, on: host)
      if let mending { try require(mending, path) }
      if let after = try FileSystemCheck(of: path, mending: false, on: host) { try require(after, path) }
      let words = before.remnants.filter { $0 != .backupBootSector }
      done.append("\(name) was checked and mended: \(words.map(\.message).joined(separator: ", "))")
      do {
        // It makes files of the clusters that had no name. They were invisible before, and take the room of images.
        let files = try open(on: host, for: .writing)
        for name in try salvagedFiles(host).subtracting(salvaged) { try files.remove("/\(name)") }
      } catch {
        done.append("\(name): what the check made files of, FSCK*.REC, is still there: \(error)")
      }
    }
    return done
  }

  private func require(_ check: FileSystemCheck, _ path: String) throws {
    if !check.damage.isEmpty { throw damage(check.damage, path) }
  }

  /// The lines are those that `FileSystemCheck` takes for damage.
  func damage(_ lines: [String], _ path: String) -> ESPProblem {
    let quoted = lines.prefix(3).map { $0.drop { $0 == " " } }.joined(separator: " / ")
    return ESPProblem(
      name: name, kind: .damaged, message: "the EFI System Partition \(name) is damaged; the check says: \(quoted)",
      hint: Self.repairHint(path), repair: Self.repair(path))
  }

  /// Names of the form FSCK0000.REC, which fsck.vfat gives to what it finds.
  private func salvagedFiles(_ host: Host) throws -> Set<String> {
    let files = try open(on: host, for: .reading)
    return Set(try (files.list("/") ?? []).filter(Self.isSalvaged))
  }

  package static func isSalvaged(_ fileName: String) -> Bool {
    let name = fileName.lowercased()
    return name.utf8.count == 12 && name.hasPrefix("fsck") && name.hasSuffix(".rec")
  }

  static func repair(_ path: String) -> String { "fsck.vfat -r \(path)" }

  static func repairHint(_ path: String) -> Message {
    "run '\(repair(path))' and answer what it asks, then run 'pve-sb-uki apply'"
  }
}
