// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

/// The ESPs of a host, and the problems of those that are missing or unusable.
package struct ESPSurvey: Hashable, Sendable {
  package var esps: [ESP] = []
  package var problems: [ESPProblem] = []

  package init() {}

  /// Mount points to try, in this order.
  package static let candidates = ["/efi", "/boot/efi", "/boot"]

  /// Finds the ESPs: the directory in `Esp=`, or all in proxmox-boot-tool's list, or the first candidate that is one.
  ///
  /// `Esp=` is used without checks, so that chroots and disk images work; throws `BootEnvironmentError` if it is not a
  /// directory. An unusable listed ESP becomes a problem and does not hide the others. A candidate must be a mounted
  /// FAT file system.
  ///
  /// A root other than `/` rarely has mounts and devices. There, a candidate must not be empty, `/boot` must contain
  /// `EFI`, and a directory `/dev/disk/by-uuid/SERIAL` is used as the mounted ESP with that number. Throws `HostError`
  /// if the host cannot be read.
  package init(of host: Host, _ configuration: Configuration) throws {
    if let path = try Self.configured(on: host, configuration) {
      esps = [try Self.mounted(at: path, on: host)]
    } else {
      try addListed(on: host)
      if self == ESPSurvey(), let path = try Self.candidate(on: host) {
        esps = [try Self.mounted(at: path, on: host)]
      }
    }
  }

  private static func configured(on host: Host, _ configuration: Configuration) throws -> String? {
    guard var path = configuration.espPath else { return nil }
    guard try host.files.isDirectory(path) else {
      throw BootEnvironmentError(
        path, "Esp= names this path, but it is not a directory",
        hint: "mount the ESP there or correct \(Configuration.path)")
    }
    while path.hasSuffix("/") { path.removeLast() }
    // Listing a directory triggers its automount.
    _ = try? host.files.list(path + "/.")
    return path
  }

  private static func candidate(on host: Host) throws -> String? {
    // Listing a directory triggers its automount.
    let listings = try candidates.map { try host.files.list($0 + "/.") }
    let mounts = try host.isRunningSystem ? host.files.mountPoints() : []
    for (path, listing) in zip(candidates, listings) {
      guard let listing else { continue }
      let isThere =
        host.isRunningSystem
        ? mounts.last { $0.path == path }?.fileSystem == "vfat"
        : path == "/boot" ? listing.contains("EFI") : !listing.isEmpty
      if isThere { return path }
    }
    return nil
  }

  /// The ESP mounted at `path`, or just that directory.
  private static func mounted(at path: String, on host: Host) throws -> ESP {
    guard host.isRunningSystem else { return ESP(source: .directory(path)) }
    func without(_ problem: Message, hint: Message) -> ESP {
      ESP(source: .directory(path), locationProblem: Failure(problem, hint: hint))
    }
    guard let mount = try host.files.mountPoints().last(where: { $0.path == path }) else {
      return without(
        "it is a directory, not a mounted partition",
        hint: "mount the ESP there, or correct Esp= in \(Configuration.path)")
    }
    guard mount.root == "/", mount.source.hasPrefix("/dev/") else {
      return without(
        "it is not a mounted partition, but \(mount.root) of \(mount.source)",
        hint: "mount the ESP there, or correct Esp= in \(Configuration.path)")
    }
    do {
      let facts = try host.partitions.facts(device: mount.source)
      // The name may now refer to another device.
      guard facts.number == mount.device else {
        return without("\(mount.source) is now another device", hint: "unmount it and mount it again")
      }
      return ESP(
        source: .directory(path), location: facts.location, locationProblem: facts.locationProblem,
        members: facts.members, device: mount.source)
    } catch {
      return ESP(
        source: .directory(path),
        locationProblem: Failure(Message(error), hint: (error as? any HintedError)?.hint))
    }
  }
}

extension ESPSurvey {
  /// proxmox-boot-tool's list: the serial number of a FAT file system on each line.
  package static let listPath = "/etc/kernel/proxmox-boot-uuids"
  private static let listSizeLimit = 1 << 16
  /// More ESPs than any machine has disks to boot from.
  private static let listCountLimit = 64

  /// The lines other than blank lines and comments, trimmed and without duplicates, with their numbers.
  private static func lines(of files: FileSystem) throws -> [(number: Int, text: String)] {
    guard let content = try files.readFileIfPresent(listPath, limit: listSizeLimit) else { return [] }
    var lines: [(number: Int, text: String)] = []
    var seen: Set<String> = []
    for (index, line) in content.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
      let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
      let text = String(decoding: line.drop(while: isBlank).reversed().drop(while: isBlank).reversed(), as: UTF8.self)
      if text.isEmpty || text.hasPrefix("#") || !seen.insert(text).inserted { continue }
      lines.append((index + 1, text))
    }
    return lines
  }

  /// Whether it may be the name of a link in /dev/disk/by-uuid.
  ///
  /// For a FAT file system that is four hexadecimal digits, a hyphen and four more. Names for other file systems, which
  /// proxmox-boot-tool would also mount, are longer.
  private static func isSerialNumber(_ text: String) -> Bool {
    4...64 ~= text.utf8.count && text.utf8.first != UInt8(ascii: "-")
      && text.utf8.allSatisfy { $0 == UInt8(ascii: "-") || Character(UnicodeScalar($0)).isHexDigit }
  }

  /// Adds the listed ESPs, in order.
  mutating func addListed(on host: Host) throws {
    let lines = try Self.lines(of: host.files)
    if lines.count > Self.listCountLimit {
      add(
        .unreadable, name: Self.listPath,
        message: "\(Self.listPath) lists \(lines.count) file systems; only the first \(Self.listCountLimit) are used",
        hint: "remove those that do not exist with 'proxmox-boot-tool clean'")
    }
    for line in lines.prefix(Self.listCountLimit) {
      guard Self.isSerialNumber(line.text) else {
        let path = Self.listPath
        add(
          .unreadable, name: path,
          message: "\(path), line \(line.number): not a file system UUID such as 1111-AAA1",
          hint: "correct or remove the line")
        continue
      }
      try add(line.text, on: host)
    }
  }

  private mutating func add(_ serial: String, on host: Host) throws {
    let esp = ESP(source: .listed(serial))
    let path = host.files.display(esp.path)
    guard let status = try host.files.status(of: esp.path) else {
      add(
        .missing, name: serial, message: "ESP \(serial) is missing: \(path) does not exist",
        hint: "connect its disk, then run 'pve-sb-uki apply'; if it is permanently gone, run 'proxmox-boot-tool clean'")
      return
    }
    if status.kind == .directory, !host.isRunningSystem {
      esps.append(esp)
      return
    }
    do {
      let facts = try host.partitions.facts(device: esp.path)
      var found = ESP(
        source: esp.source, location: facts.location, locationProblem: facts.locationProblem, members: facts.members,
        device: esp.path)
      if case .damagedFAT(let error) = facts.content {
        let problem = ESPProblem(
          name: serial, kind: .damaged, message: "ESP \(serial) is damaged: \(error)",
          hint: ESP.repairHint(path), repair: ESP.repair(path))
        return problems.append(problem)
      }
      if facts.isDirty {
        let damage = try found.examine(on: host)
        guard damage.isEmpty else { return problems.append(found.damage(damage, path)) }
      }
      esps.append(found)
    } catch let error as HostError {
      add(
        .unreadable, name: serial, message: "ESP \(serial) cannot be used: \(error)",
        hint: error.hint)
    }
  }

  private mutating func add(_ kind: ESPProblem.Kind, name: String, message: Message, hint: Message?) {
    problems.append(ESPProblem(name: name, kind: kind, message: message, hint: hint))
  }
}
