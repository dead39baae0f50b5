// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

extension CommandLineRules {
  /// Findings about the root file system that the line names.
  func root(_ words: [CommandLineWord]) throws -> [CommandLineFinding] {
    let roots = words.filter { $0.name == "root" }
    let boot = words.last { $0.name == "boot" }?.value
    guard let last = roots.last else { return try missingRoot(words, boot: boot) }
    var findings: [CommandLineFinding] = []
    if roots.count > 1 {
      findings.append(
        CommandLineFinding(.warning, "root= occurs \(roots.count) times; the last one takes effect: '\(last.text)'"))
    }
    guard let value = last.value, !value.isEmpty else {
      return findings + [CommandLineFinding(.error, "'\(last.text)' names no root file system")]
    }
    // The word has already been reported.
    if last.finding != nil { return findings }
    switch RootDevice(value, isZFS: boot == "zfs") {
    case .elsewhere: break
    case .automatic:
      if try !hasOnlyDracut {
        findings.append(CommandLineFinding(.error, "initramfs-tools does not support '\(last.text)'"))
      }
    case .unknown:
      findings.append(CommandLineFinding(.warning, "'\(last.text)' cannot be checked: unknown form"))
    case .path(let path): if let finding = try self.finding(path, of: last) { findings.append(finding) }
    case .dataset(let name):
      if let name, let finding = try finding(dataset: name, of: last) { findings.append(finding) }
    }
    return findings
  }

  /// Findings about the swap device to resume from; if it is missing, the initrd waits for it and then continues.
  func resume(_ words: [CommandLineWord]) throws -> [CommandLineFinding] {
    guard let word = words.last(where: { $0.name == "resume" }), let value = word.value,
      let path = RootDevice(value, isZFS: false).path, try canTell(path), try !host.files.exists(path)
    else { return [] }
    return [CommandLineFinding(.warning, "'\(word.text)' not found: \(host.files.display(path)) does not exist")]
  }

  /// Findings about a line without `root=`: some initrds find ZFS by its pool, others use `boot=`.
  private func missingRoot(_ words: [CommandLineWord], boot: String?) throws -> [CommandLineFinding] {
    let namesZFS = words.contains { $0.name == "bootfs" || $0.name == "rpool" }
    if boot == "zfs" || namesZFS || words.contains(where: { $0.name == "netroot" || $0.name == "nfsroot" }) {
      return []
    }
    // A replacement for scripts/local may work differently. live and casper have their own findings.
    if let boot, boot != "local" { return [] }
    if try hasOnlyDracut {
      return [CommandLineFinding(.warning, "root= is missing; the initrd must find the root file system itself")]
    }
    return [CommandLineFinding(.error, "root= is missing; most initrds stop without it")]
  }

  /// Whether the visible devices are those of the machine that will boot.
  ///
  /// In a chroot or container they are not: the root there is not a mounted device, or only a directory of one.
  private var knowsDevices: Bool {
    get throws { try host.isRunningSystem ? mountedRoot != nil : host.files.isDirectory("/dev/disk") }
  }

  /// Whether a missing path is meaningful: links by UUID and label exist only with udev.
  private func canTell(_ path: String) throws -> Bool {
    try knowsDevices && (!path.hasPrefix("/dev/disk/") || host.files.isDirectory("/dev/disk"))
  }

  private var mountedRoot: MountPoint? {
    get throws { try host.mountedRoot }
  }

  /// The error that the device of a word does not exist; nil if it does, or if that is unknown.
  func missing(_ path: String, of word: CommandLineWord) throws -> CommandLineFinding? {
    guard try canTell(path), try host.files.status(of: path) == nil else { return nil }
    return CommandLineFinding(.error, "'\(word.text)' not found: \(host.files.display(path)) does not exist")
  }

  private func finding(_ path: String, of word: CommandLineWord) throws -> CommandLineFinding? {
    if let missing = try missing(path, of: word) { return missing }
    guard try canTell(path), let status = try host.files.status(of: path) else { return nil }
    guard host.isRunningSystem, let mounted = try mountedRoot else { return nil }
    let source = try host.files.status(of: mounted.source)
    let isSame = status.blockDevice == mounted.device || source?.isSameFile(as: status) == true
    // The devices cannot be compared if the kernel uses its own name, such as /dev/root.
    if isSame || mounted.fileSystem != "zfs" && source == nil { return nil }
    return CommandLineFinding(
      .warning, "'\(word.text)' is not the root file system in use, which is on \(mounted.source)")
  }

  private func finding(dataset name: String, of word: CommandLineWord) throws -> CommandLineFinding? {
    guard host.isRunningSystem, let mounted = try mountedRoot else { return nil }
    if mounted.fileSystem == "zfs", mounted.source == name { return nil }
    let pool = name.split(separator: "/").first.map(String.init) ?? name
    let pools = "/proc/spl/kstat/zfs"
    // The pool may be given by its number.
    if UInt64(pool) == nil, try host.files.isDirectory(pools), try !host.files.isDirectory("\(pools)/\(pool)") {
      return CommandLineFinding(.error, "'\(word.text)' not found: pool \(pool) is not imported")
    }
    return CommandLineFinding(
      .warning, "'\(word.text)' is not the root file system in use, which is on \(mounted.source)")
  }
}

extension Host {
  /// The mount of the root file system; nil if it is not that of a whole device, as in a chroot or container.
  ///
  /// Throws `HostError`.
  package var mountedRoot: MountPoint? {
    get throws {
      try files.mountPoints().last { $0.path == "/" }.flatMap { mount in
        // A btrfs subvolume is also a directory.
        let isWhole = mount.root == "/" || mount.fileSystem == "btrfs"
        return isWhole && mount.source.hasPrefix("/dev/") || mount.fileSystem == "zfs" ? mount : nil
      }
    }
  }
}

/// The device that `root=` or `resume=` names.
package enum RootDevice: Hashable {
  /// A path in /dev, or the udev link for a UUID or label.
  case path(String)
  /// A ZFS file system; nil if the initrd finds it itself.
  case dataset(String?)
  /// A network file system, or one without a device.
  case elsewhere
  /// systemd's automatic discovery, which only a systemd initrd supports.
  case automatic
  /// An unknown form.
  case unknown

  /// `isZFS` says whether `boot=zfs` is set, which makes a plain name the name of a ZFS file system.
  package init(_ value: String, isZFS: Bool) {
    func rest(_ prefix: String) -> String { String(value.dropFirst(prefix.count)) }
    let links = [("UUID=", "by-uuid"), ("LABEL=", "by-label"), ("PARTLABEL=", "by-partlabel")]
    if let (prefix, directory) = links.first(where: { value.hasPrefix($0.0) }) {
      self = .path("/dev/disk/\(directory)/\(Self.linkName(rest(prefix)))")
    } else if value.hasPrefix("PARTUUID=") {
      // The kernel also accepts PARTUUID=…/PARTNROFF=n, and ignores case.
      let name = rest("PARTUUID=")
      self = name.utf8.contains(UInt8(ascii: "/")) ? .unknown : .path("/dev/disk/by-partuuid/\(name.lowercased())")
    } else if value == "/dev/nfs" || Self.networkKinds.contains(where: { value.hasPrefix($0) }) || value == "tmpfs" {
      self = .elsewhere
    } else if value.hasPrefix("/dev/") {
      self = .path(value)
    } else if value == "gpt-auto" || value == "gpt-auto-force" || value == "dissect" {
      self = .automatic
    } else if value.lowercased().hasPrefix("zfs:") || value.lowercased().hasPrefix("zfs=") {
      let name = rest("zfs:")
      self = .dataset(name.isEmpty || name == "AUTO" ? nil : name)
    } else if value == "ZFS" || value == "zfs" {
      self = .dataset(nil)
    } else if isZFS, !value.hasPrefix("/") {
      self = .dataset(value)
    } else {
      self = .unknown
    }
  }

  private static let networkKinds = ["nfs", "nbd", "iscsi:", "dhcp", "fcoe", "aoe", "9p:", "virtiofs:", "mtd", "ubi"]

  /// The path of the device, whether it exists or not.
  var path: String? { if case .path(let path) = self { path } else { nil } }

  /// The label as udev escapes it: characters other than ASCII letters, digits, `#+-.:=@_` and non-ASCII become `\x20`.
  private static func linkName(_ label: String) -> String {
    var bytes: [UInt8] = []
    for byte in label.utf8 {
      let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
      let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      if byte >= 0x80 || isLetter || isDigit || "#+-.:=@_".utf8.contains(byte) {
        bytes.append(byte)
      } else {
        let digits = String(byte, radix: 16)
        bytes += Array("\\x\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
