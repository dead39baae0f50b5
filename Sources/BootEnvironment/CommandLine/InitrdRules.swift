// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

extension CommandLineRules {
  /// Findings about quotation marks that an initrd reads differently from the kernel.
  ///
  /// The scripts of initramfs-tools split the line at white space and keep quotation marks. dracut (since 055) and
  /// systemd read it as the kernel does.
  func quotationMarks(_ word: CommandLineWord) throws -> [CommandLineFinding] {
    guard word.text.utf8.contains(UInt8(ascii: "\"")) else { return [] }
    if InitrdParameters.contains(word.name) {
      guard try !hasOnlyDracut else {
        return [
          CommandLineFinding(
            .warning,
            "only initrds made by dracut can read '\(word.text)': initramfs-tools does not know quotation marks")
        ]
      }
      return [
        CommandLineFinding(
          .error, "initramfs-tools cannot read '\(word.text)': it splits the line at spaces and keeps quotation marks",
          hint: Self.quotationHint)
      ]
    }
    // Parts of other words can be parameters to initramfs-tools.
    guard try host.files.exists(Self.initramfsTools) else { return [] }
    return InitrdParameters.pieces(of: word.text).dropFirst().filter { InitrdParameters.contains($0.name) }.map {
      piece in
      CommandLineFinding(
        .error, "initramfs-tools reads '\(piece.text)' in '\(word.text)' as a parameter: it splits the line at spaces",
        hint: Self.quotationHint)
    }
  }

  private static var quotationHint: Message {
    "remove the quotation marks with 'pve-sb-uki cmdline edit'; use UUID= instead of a label with spaces"
  }

  private static let initramfsTools = "/usr/sbin/mkinitramfs"

  /// Whether only dracut makes initrds: unlike those of initramfs-tools, they find the root file system by systemd's
  /// rules.
  var hasOnlyDracut: Bool {
    get throws {
      try isReadByDracut ?? (host.files.exists("/usr/bin/dracut") && !host.files.exists(Self.initramfsTools))
    }
  }
}

/// The parameters that the scripts in an initrd of initramfs-tools read from `/proc/cmdline`.
enum InitrdParameters {
  /// The names of initramfs-tools 0.142 and 0.148 (`init`, `scripts`), of zfs-initramfs, cryptsetup-initramfs and
  /// plymouth.
  private static let names: Set<String> = [
    "BOOTIF", "all_generic_ide", "blacklist", "boot", "break", "debug", "drop_capabilities", "fastboot", "forcefsck",
    "fsck.mode", "fsck.repair", "fsckfix", "init", "initramfs.clear", "initramfs.runsize", "ip", "netconsole",
    "nfsroot",
    "noresume", "panic", "quiet", "resume", "resume_offset", "ro", "root", "rootdelay", "rootflags", "rootfstype", "rw",
    "ubi.mtd", "bootfs", "rollback", "rpool", "zfs.debug", "zfs.force", "zfs_debug", "zfs_force", "zfsdebug",
    "zfsforce",
    "cryptopts", "nosplash", "plymouth.enable", "splash",
  ]

  static func contains(_ name: String) -> Bool { names.contains(name) }

  /// The words that a shell makes of a word without regard to quotation marks.
  static func pieces(of text: String) -> [(name: String, text: String)] {
    text.utf8.split { $0 == 0x20 || $0 == 0x09 }.map { piece in
      let name = piece.prefix { $0 != UInt8(ascii: "=") }
      return (String(decoding: name, as: UTF8.self), String(decoding: piece, as: UTF8.self))
    }
  }
}

extension CommandLineRules {
  /// Findings about other devices that dracut waits for until it gives up: encrypted ones and the one for /usr.
  func requiredDevices(_ words: [CommandLineWord]) throws -> [CommandLineFinding] {
    guard try hasOnlyDracut else { return [] }
    return try words.compactMap { word in
      guard let value = word.value else { return nil }
      let path: String?
      switch word.name {
      case "rd.luks.uuid":
        let identifier = value.hasPrefix("luks-") ? value.dropFirst("luks-".count) : value[...]
        // dracut also accepts a part of a UUID.
        path = identifier.utf8.count == 36 ? "/dev/disk/by-uuid/\(identifier.lowercased())" : nil
      case "mount.usr": path = RootDevice(value, isZFS: false).path
      default: path = nil
      }
      return try path.flatMap { try missing($0, of: word) }
    }
  }
}
