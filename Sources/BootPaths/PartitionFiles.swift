// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import Messages

/// A partition that is open for reading.
struct Volume {
  /// The name of its ESP, otherwise as in /dev/disk/by-partuuid.
  let name: String
  let files: FileSystem
  /// Nil for a partition that is not among the host's ESPs.
  let esp: ESP?

  /// The file at `path`; nil if it does not exist.
  ///
  /// Ignores case, as firmware does, also if the file system does not. Throws `HostError`.
  func open(_ path: String) throws -> File? {
    do {
      return try files.openFile(path)
    } catch let error as HostError where error.meansAbsent {
      guard let present = try spelling(of: path), present != path else { return nil }
      return try files.openFile(present)
    }
  }

  /// The path as its names are written on the file system; nil if it does not exist.
  private func spelling(of path: String) throws -> String? {
    var present = ""
    for wanted in PathName(path).components {
      let folded = wanted.lowercased()
      guard let name = try files.list(present + "/")?.first(where: { $0.lowercased() == folded }) else { return nil }
      present += "/" + name
    }
    return present
  }
}

/// The partitions that boot paths name; each is opened once.
///
/// While a partition is open, Linux refuses to mount it for writing: release this value soon.
final class PartitionFiles {
  enum Place {
    case found(Volume)
    /// The firmware finds nothing there, and why.
    case missing(Message)
    /// It cannot be examined, and why.
    case unreadable(Message)
  }

  private let host: Host
  private let esps: [ESP]
  /// By name.
  private var places: [String: Place] = [:]
  private var foreignCount = 0
  /// ESPs outside the host's list, known from partition tables.
  let others: [SystemPartition]

  /// More partitions than a machine has ESPs.
  private static let foreignLimit = 16
  private static let links = "/dev/disk/by-partuuid"

  init(_ host: Host, _ survey: ESPSurvey) {
    self.host = host
    esps = survey.esps
    let listed = (try? host.partitions.systemPartitions()) ?? []
    others = listed.filter { partition in
      !survey.esps.contains { esp in
        esp.location?.isSamePartition(as: partition.location) == true
          || esp.members.contains { $0.location.isSamePartition(as: partition.location) }
      }
    }
  }

  /// The partition at a location.
  func place(_ location: PartitionLocation) -> Place {
    if let esp = esps.first(where: { $0.location?.isSamePartition(as: location) == true }) { return place(esp) }
    for esp in esps {
      guard let member = esp.members.first(where: { $0.location.isSamePartition(as: location) }) else { continue }
      return member.isReadableByFirmware
        ? place(esp) : .missing("the RAID array on its partition has its metadata at the start")
    }
    let name = location.name
    if let known = places[name] { return known }
    let found: Place
    do {
      found = try foreign(location)
    } catch {
      found = .unreadable("its partition cannot be read: \(error)")
    }
    places[name] = found
    return found
  }

  /// An ESP of the host.
  func place(_ esp: ESP) -> Place {
    if let known = places[esp.name] { return known }
    let found: Place
    do {
      found = .found(Volume(name: esp.name, files: try esp.open(on: host, for: .reading), esp: esp))
    } catch {
      found = .unreadable("its partition cannot be read: \(error)")
    }
    places[esp.name] = found
    return found
  }

  private func foreign(_ location: PartitionLocation) throws -> Place {
    let link = "\(Self.links)/\(location.name)"
    guard try host.files.isDirectory(Self.links) else { return .unreadable("the machine's partitions are unknown") }
    guard try host.files.exists(link) else { return .missing("the machine has no partition \(location.name)") }
    foreignCount += 1
    guard foreignCount <= Self.foreignLimit else {
      return .unreadable("only \(Self.foreignLimit) partitions are examined")
    }
    if !host.isRunningSystem, try host.files.isDirectory(link) {
      return .found(Volume(name: location.name, files: try host.files.subtree(link), esp: nil))
    }
    switch try host.partitions.facts(device: link).content {
    case .other: return .missing("its partition has no FAT file system, which firmware requires")
    case .damagedFAT(let error): return .missing("its file system is damaged: \(error)")
    case .fat: break
    }
    let files = try host.partitions.mount(device: link, access: .reading, label: "\(location.name):")
    return .found(Volume(name: location.name, files: files, esp: nil))
  }
}
