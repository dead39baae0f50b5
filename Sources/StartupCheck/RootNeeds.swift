// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem
internal import Messages

/// What an initrd needs to mount a root file system, as far as that is known.
package struct RootNeeds: Hashable, Sendable {
  package enum Layer: Hashable, Comparable, Sendable {
    /// A file system with that type.
    case fileSystem(String)
    case zfs
    case logicalVolume
    case encryption
    /// An md array with that level, such as `raid1`.
    case array(level: String)
  }

  package private(set) var layers: Set<Layer> = []

  /// What the command line's root file system needs.
  ///
  /// The devices are those of this host, if it is the running system. Otherwise only the line says something. Unknown
  /// layers are left out. Throws `HostError`.
  package init(of words: [CommandLineWord], readBy generator: InitrdContents.Generator, on host: Host) throws {
    func last(_ name: String) -> String? { words.last { $0.name == name }?.value }
    let boot = last("boot")
    let isZFS = boot == "zfs"
    if let value = last("root") {
      switch RootDevice(value, isZFS: isZFS) {
      case .dataset: layers.insert(.zfs)
      case .path(let path) where host.isRunningSystem: try addDevice(path, type: last("rootfstype"), on: host)
      case .path, .elsewhere, .automatic, .unknown: break
      }
    } else if isZFS || words.contains(where: { $0.name == "bootfs" || $0.name == "rpool" }) {
      layers.insert(.zfs)
    }
    if generator == .dracut { addDracutWords(words) }
    if generator == .initramfsTools, words.contains(where: { $0.name == "cryptopts" && $0.value?.isEmpty == false }) {
      layers.insert(.encryption)
    }
  }

  /// The words that make dracut set up devices (dracut.cmdline(7)).
  private mutating func addDracutWords(_ words: [CommandLineWord]) {
    func isOff(_ name: String) -> Bool { words.last { $0.name == name }?.value == "0" }
    for word in words where word.value?.isEmpty == false {
      switch word.name {
      case "rd.luks.uuid", "rd.luks.name": if !isOff("rd.luks") { layers.insert(.encryption) }
      case "rd.lvm.lv", "rd.lvm.vg": if !isOff("rd.lvm") { layers.insert(.logicalVolume) }
      default: break
      }
    }
  }

  private mutating func addDevice(_ path: String, type: String?, on host: Host) throws {
    guard let status = try host.files.status(of: path) else { return }
    var number = status.blockDevice
    var fileSystem = type
    if let mounted = try host.mountedRoot {
      let source = try host.files.status(of: mounted.source)
      if number == mounted.device || source?.isSameFile(as: status) == true {
        // The device of a btrfs mount is not that of a disk.
        number = number ?? mounted.device
        fileSystem = mounted.fileSystem
      }
    }
    guard let number else { return }
    var devices = DeviceStack(host.files)
    try devices.visit(number)
    layers.formUnion(devices.layers)
    // A list of types, and the type auto, leave the choice to the initrd.
    let known = try fileSystem.flatMap { $0.contains(",") || $0 == "auto" ? nil : $0 } ?? devices.type(of: number)
    if let known { layers.insert(known == "zfs" ? .zfs : .fileSystem(known)) }
  }
}

/// A block device and those below it, from sysfs.
private struct DeviceStack {
  private let files: FileSystem
  private(set) var layers: Set<RootNeeds.Layer> = []
  private var visited: Set<DeviceNumber> = []

  /// More than any host has below its root; sysfs could be made up.
  private static let countLimit = 256

  init(_ files: FileSystem) { self.files = files }

  /// Adds the layers of a device and of all below it.
  mutating func visit(_ number: DeviceNumber) throws {
    guard visited.count < Self.countLimit, visited.insert(number).inserted else { return }
    let directory = "/sys/dev/block/\(number)"
    if let identifier = try line("\(directory)/dm/uuid") {
      if identifier.hasPrefix("LVM-") { layers.insert(.logicalVolume) }
      if identifier.hasPrefix("CRYPT-") { layers.insert(.encryption) }
    }
    // The directory of a partition does not have those of its disk.
    let whole = try files.exists("\(directory)/partition") ? "\(directory)/.." : directory
    if let level = try line("\(whole)/md/level"), !level.isEmpty { layers.insert(.array(level: level)) }
    for name in try files.list("\(whole)/slaves") ?? [] {
      if let text = try line("\(whole)/slaves/\(name)/dev"), let below = DeviceNumber(text) { try visit(below) }
    }
  }

  /// The type of the file system on a device, as udev found it.
  func type(of number: DeviceNumber) throws -> String? {
    let text = try files.readTextIfPresent("/run/udev/data/b\(number)", limit: 1 << 20) ?? ""
    let prefix = "E:ID_FS_TYPE="
    return text.split(separator: "\n").first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }

  private func line(_ path: String) throws -> String? {
    try files.readTextIfPresent(path, limit: 4096).map { String($0.prefix { $0 != "\n" }) }
  }
}
