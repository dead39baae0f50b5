// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

extension EFISystemPartition {
  /// proxmox-boot-tool's list: the serial number of a FAT file system a line.
  package static let listPath = "/etc/kernel/proxmox-boot-uuids"
  private static let listSizeLimit = 1 << 16

  /// The lines that are neither empty nor comments, without white space at either end, each once; with their numbers.
  fileprivate static func lines(of files: FileSystem) throws -> [(number: Int, text: String)] {
    guard let content = try files.readFileIfPresent(listPath, limit: listSizeLimit) else { return [] }
    var lines: [(number: Int, text: String)] = []
    for (index, line) in content.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
      let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
      let text = String(decoding: line.drop(while: isBlank).reversed().drop(while: isBlank).reversed(), as: UTF8.self)
      if text.isEmpty || text.hasPrefix("#") || lines.contains(where: { $0.text == text }) { continue }
      lines.append((index + 1, text))
    }
    return lines
  }

  /// Whether it can be the name of a link in /dev/disk/by-uuid: that of a FAT file system is four hexadecimal digits, a
  /// hyphen and four more; those of other file systems, which proxmox-boot-tool would mount too, are longer.
  fileprivate static func isSerialNumber(_ text: String) -> Bool {
    4...64 ~= text.utf8.count && text.utf8.first != UInt8(ascii: "-")
      && text.utf8.allSatisfy { $0 == UInt8(ascii: "-") || Character(UnicodeScalar($0)).isHexDigit }
  }
}

extension EFISystemPartition.Survey {
  /// Adds what the list names, in its order.
  mutating func addListed(on host: Host) throws {
    for line in try EFISystemPartition.lines(of: host.files) {
      guard EFISystemPartition.isSerialNumber(line.text) else {
        let path = EFISystemPartition.listPath
        add(
          .unreadable, path, "\(path), line \(line.number): it is no UUID of a file system such as 1111-AAA1",
          hint: "correct or remove the line")
        continue
      }
      try add(line.text, on: host)
    }
  }

  private mutating func add(_ serial: String, on host: Host) throws {
    let partition = EFISystemPartition(source: .listed(serial))
    let path = host.files.display(partition.path)
    guard let status = try host.files.status(of: partition.path) else {
      add(
        .missing, serial, "the EFI System Partition \(serial) is not there: \(path) does not exist",
        hint: "connect its disk, then run 'pve-sb-uki apply'; if it is gone for good, run 'proxmox-boot-tool clean'")
      return
    }
    if status.kind == .directory, !host.isRunningSystem {
      partitions.append(partition)
      return
    }
    do {
      let facts = try host.partitions.facts(device: partition.path)
      var found = EFISystemPartition(
        source: partition.source, location: facts.location, locationNote: facts.locationNote, device: partition.path)
      if case .damagedFAT(let error) = facts.content {
        let problem = PartitionProblem(
          name: serial, kind: .damaged, message: "the EFI System Partition \(serial) is damaged: \(error)",
          hint: EFISystemPartition.repairHint(path), repair: EFISystemPartition.repair(path))
        return problems.append(problem)
      }
      if facts.isDirty {
        let damage = try found.examine(on: host)
        guard damage.isEmpty else { return problems.append(found.damage(damage, path)) }
      }
      partitions.append(found)
    } catch let error as HostError {
      add(.unreadable, serial, "the EFI System Partition \(serial) cannot be used: \(error)", hint: error.hint)
    }
  }

  private mutating func add(_ kind: PartitionProblem.Kind, _ name: String, _ message: Message, hint: Message?) {
    problems.append(PartitionProblem(name: name, kind: kind, message: message, hint: hint))
  }
}
