// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
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
        CommandLineFinding(.warning, "root= stands there \(roots.count) times; the last one counts, '\(last.text)'"))
    }
    guard let value = last.value, !value.isEmpty else {
      return findings + [CommandLineFinding(.error, "'\(last.text)' names no root file system")]
    }
    // Already said.
    if last.finding != nil { return findings }
    switch RootDevice(value, isZFS: boot == "zfs") {
    case .elsewhere: break
    case .automatic:
      if try !hasOnlyDracut {
        findings.append(CommandLineFinding(.error, "'\(last.text)' is not known to initramfs-tools"))
      }
    case .unknown:
      findings.append(CommandLineFinding(.warning, "'\(last.text)' is of a form that cannot be checked"))
    case .path(let path): if let finding = try self.finding(path, of: last) { findings.append(finding) }
    case .dataset(let name):
      if let name, let finding = try finding(dataset: name, of: last) { findings.append(finding) }
    }
    return findings
  }

  /// Findings about the swap device to resume from; if it is missing, the initrd waits for it and continues.
  func resume(_ words: [CommandLineWord]) throws -> [CommandLineFinding] {
    guard let word = words.last(where: { $0.name == "resume" }), let value = word.value,
      let path = RootDevice(value, isZFS: false).path, try canTell(path), try !host.files.exists(path)
    else { return [] }
    return [CommandLineFinding(.warning, "'\(word.text)' is not here: \(host.files.display(path)) does not exist")]
  }

  /// Findings about a line without `root=`: some initrds find ZFS by its pool, others use `boot=`.
  private func missingRoot(_ words: [CommandLineWord], boot: String?) throws -> [CommandLineFinding] {
    let namesZFS = words.contains { $0.name == "bootfs" || $0.name == "rpool" }
    if boot == "zfs" || namesZFS || words.contains(where: { $0.name == "netroot" || $0.name == "nfsroot" }) {
      return []
    }
    // A replacement of scripts/local may work in another way. live and casper have findings of their own.
    if let boot, boot != "local" { return [] }
    if try hasOnlyDracut {
      return [CommandLineFinding(.warning, "it has no root=, so the initrd has to find the root file system itself")]
    }
    return [CommandLineFinding(.error, "it has no root=; most initrds then stop")]
  }

  /// Whether only dracut makes initrds: its initrd finds the root file system by systemd's rules, that of
  /// initramfs-tools does not.
  private var hasOnlyDracut: Bool {
    get throws { try host.files.exists("/usr/bin/dracut") && !host.files.exists("/usr/sbin/mkinitramfs") }
  }

  /// Whether the visible devices are those of the machine that will boot.
  ///
  /// In a chroot or container they are not. There the root is not a mounted device, but nothing or a directory of one.
  private var knowsDevices: Bool {
    get throws { try host.isRunningSystem ? mountedRoot != nil : host.files.isDirectory("/dev/disk") }
  }

  /// Links by UUID and label exist only with udev.
  private func canTell(_ path: String) throws -> Bool {
    try knowsDevices && (!path.hasPrefix("/dev/disk/") || host.files.isDirectory("/dev/disk"))
  }

  private var mountedRoot: MountPoint? {
    get throws {
      try host.files.mountPoints().last { $0.path == "/" }.flatMap { mount in
        // A subvolume of btrfs is a directory too.
        let isWhole = mount.root == "/" || mount.fileSystem == "btrfs"
        return isWhole && mount.source.hasPrefix("/dev/") || mount.fileSystem == "zfs" ? mount : nil
      }
    }
  }

  private func finding(_ path: String, of word: CommandLineWord) throws -> CommandLineFinding? {
    guard try canTell(path) else { return nil }
    guard let status = try host.files.status(of: path) else {
      return CommandLineFinding(.error, "'\(word.text)' is not here: \(host.files.display(path)) does not exist")
    }
    guard host.isRunningSystem, let mounted = try mountedRoot else { return nil }
    let source = try host.files.status(of: mounted.source)
    let isSame = status.blockDevice == mounted.device || source?.isSameFile(as: status) == true
    // If the kernel uses a name of its own, such as /dev/root, they cannot be compared.
    if isSame || mounted.fileSystem != "zfs" && source == nil { return nil }
    return CommandLineFinding(
      .warning, "'\(word.text)' is not the root file system in use, which is on \(mounted.source)")
  }

  private func finding(dataset name: String, of word: CommandLineWord) throws -> CommandLineFinding? {
    guard host.isRunningSystem, let mounted = try mountedRoot else { return nil }
    if mounted.fileSystem == "zfs", mounted.source == name { return nil }
    let pool = name.split(separator: "/").first.map(String.init) ?? name
    let pools = "/proc/spl/kstat/zfs"
    // A pool may be named by its number.
    if UInt64(pool) == nil, try host.files.isDirectory(pools), try !host.files.isDirectory("\(pools)/\(pool)") {
      return CommandLineFinding(.error, "'\(word.text)' is not here: no pool \(pool) is imported")
    }
    return CommandLineFinding(
      .warning, "'\(word.text)' is not the root file system in use, which is on \(mounted.source)")
  }
}

/// The device that `root=` or `resume=` names.
enum RootDevice: Hashable {
  /// A path in /dev, or the udev link for a UUID or label.
  case path(String)
  /// A ZFS file system; nil if the initrd finds it.
  case dataset(String?)
  /// A file system on the network, or one without a device.
  case elsewhere
  /// systemd's automatic discovery, which only its initrd does.
  case automatic
  /// A form that is not known here.
  case unknown

  /// `isZFS` says whether `boot=zfs` makes a plain name that of a ZFS file system.
  init(_ value: String, isZFS: Bool) {
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

  /// The path of the device, or what it would be.
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
