// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// A parameter of a command line, as the kernel reads it.
///
/// White space within double quotes does not end a parameter, and a quotation mark cannot be escaped
/// (Documentation/admin-guide/kernel-parameters.rst, `next_arg` in lib/cmdline.c).
package struct CommandLineWord: Hashable, Sendable {
  /// As in the line, with quotation marks.
  package let text: String
  /// The name of the parameter, with hyphens changed to underscores: the kernel treats them as equal.
  package let name: String
  /// The text after the first `=`, without quotation marks around it; nil without a `=`.
  package let value: String?

  init(_ text: String) {
    self.text = text
    var bytes = Array(text.utf8)[...]
    let mark = UInt8(ascii: "\"")
    let isQuoted = bytes.first == mark
    if isQuoted { bytes = bytes.dropFirst() }
    let hasClosingMark = bytes.last == mark
    // A leading `=` is part of the name.
    guard let equals = bytes.dropFirst().firstIndex(of: UInt8(ascii: "=")) else {
      name = Self.name(isQuoted && hasClosingMark ? bytes.dropLast() : bytes)
      value = nil
      return
    }
    var content = bytes[(equals + 1)...]
    if content.first == mark {
      content = content.dropFirst()
      if content.last == mark { content = content.dropLast() }
    } else if isQuoted, content.last == mark {
      content = content.dropLast()
    }
    name = Self.name(bytes[..<equals])
    value = String(decoding: content, as: UTF8.self)
  }

  /// The words of a line.
  ///
  /// White space is that of C. To the kernel, byte 0xa0 is white space too; `CommandLineRules` rejects it.
  package static func split(_ line: String) -> [CommandLineWord] {
    var isQuoted = false
    let words = line.utf8.split { byte in
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      return !isQuoted && (byte == 0x20 || 0x09...0x0d ~= byte)
    }
    return words.map { CommandLineWord(String(decoding: $0, as: UTF8.self)) }
  }

  /// The word for a text with white space: `x="a b"` for `x=a b`.
  ///
  /// Nil if the text contains a quotation mark, which cannot be escaped.
  init?(quoting text: String) {
    guard !text.utf8.contains(UInt8(ascii: "\"")) else { return nil }
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let isValue = parts.count == 2 && Self.split(String(parts[0])).count == 1
    self.init(isValue ? "\(parts[0])=\"\(parts[1])\"" : "\"\(text)\"")
  }

  private static func name(_ bytes: ArraySlice<UInt8>) -> String {
    let hyphen = UInt8(ascii: "-")
    return String(decoding: bytes.map { $0 == hyphen ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }
}

extension CommandLineWord {
  /// The finding about this word alone; nil if there is none.
  ///
  /// Words that trade safety for speed or that show more output, such as `mitigations=off` and
  /// `systemd.log_level=debug`, are fine.
  var finding: CommandLineFinding? {
    if let reason = loaderReason ?? installerReason ?? takeoverReason {
      return CommandLineFinding(.error, "'\(text)' \(reason)")
    }
    return warningReason.map { CommandLineFinding(.warning, "'\(text)' \($0)") }
  }

  /// Words that a boot loader adds.
  ///
  /// The kernel's EFI stub uses the UKI's initrd. If the UKI had none, it would load the unverified file that `initrd=`
  /// names.
  private var loaderReason: Message? {
    switch name {
    case "BOOT_IMAGE": "is left over from a boot loader"
    case "initrd": "is left over from a boot loader; the UKI contains its initrd"
    case "noinitrd": "keeps the kernel from using the UKI's initrd"
    default: nil
    }
  }

  /// Words of live systems (live-boot, casper, dracut's dmsquash-live) and installers (Debian's, Proxmox VE's).
  private var installerReason: Message? {
    switch name {
    case "boot" where value == "live" || value == "casper", "live_media", "live_media_path", "findiso", "fromiso",
      "iso_scan/filename", "toram", "persistence", "maybe_ubiquity", "only_ubiquity", "automatic_ubiquity",
      "casper", "live_config", "components", "isofrom_device", "isofrom_system":
      "is for a live system"
    case _ where name.hasPrefix("rd.live."), _ where name.hasPrefix("live_config."),
      "root" where value?.hasPrefix("live:") == true, "root" where value?.hasPrefix("/dev/ram") == true:
      "is for a live system"
    case "proxdebug", "proxtui", "proxauto", "ramdisk_size": "is for the Proxmox installer"
    case _ where name.hasPrefix("proxmox_"): "is for the Proxmox installer"
    case "auto" where value == nil || value == "true", "priority", "autoinstall", "___", "preseed", "url", "file",
      "DEBIAN_FRONTEND", "interface", "netboot":
      "is for an installer"
    // debconf questions have names such as netcfg/get_hostname.
    case _ where name.utf8.contains(UInt8(ascii: "/")) && Self.installerPackages.contains { name.hasPrefix($0) }:
      "is for an installer"
    default: nil
    }
  }

  private static let installerPackages = [
    "preseed/", "netcfg/", "debian_installer/", "rescue/", "mirror/", "cdrom_detect/", "auto_install/", "debconf/",
    "hw_detect/", "keyboard_configuration/", "console_setup/", "passwd/", "partman", "grub_installer/", "anna/",
  ]

  /// Words that start something other than the installed system.
  private var takeoverReason: Message? {
    switch name {
    case "init" where !Self.systemInits.contains(value ?? ""): "starts another program instead of the system"
    case "rdinit" where value != "/init": "starts another program instead of the initrd's"
    case "single", "s", "S", "1", "rescue", "emergency", "_b":
      value == nil ? "starts maintenance mode at every boot" : nil
    case "systemd.unit", "rd.systemd.unit":
      Self.maintenanceUnits.contains(value ?? "") ? "starts maintenance mode at every boot" : nil
    case "rd.break", "rdbreak", "break": "stops in the initrd with a shell at every boot"
    case "systemd.debug_shell", "rd.systemd.debug_shell":
      isSwitchedOff ? nil : "opens a shell without a password at every boot"
    case "systemd.run": "runs a command instead of the system"
    default: nil
    }
  }

  private static let systemInits: Set<String> = [
    "/sbin/init", "/usr/sbin/init", "/bin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/bin/systemd",
    "/usr/bin/systemd",
  ]
  private static let maintenanceUnits: Set<String> = [
    "rescue.target", "emergency.target", "rescue.service", "emergency.service", "rescue", "emergency",
  ]
  /// The values that systemd reads as no.
  private var isSwitchedOff: Bool { ["0", "no", "n", "false", "f", "off"].contains((value ?? "").lowercased()) }

  private var warningReason: Message? {
    switch name {
    case "vga": "has no effect when EFI firmware starts the kernel"
    case "module.sig_enforce" where isSwitchedOff: "has no effect: the check of modules can only be enabled"
    case "lockdown" where value != "integrity" && value != "confidentiality":
      "has no effect: the kernel accepts integrity or confidentiality"
    case "nokaslr": "reveals the kernel's addresses to attackers"
    case "apparmor" where isSwitchedOff: "disables the confinement that containers rely on"
    case "noefi": "disables EFI variables, which boot entries need"
    case "efi" where (value ?? "").split(separator: ",").contains("noruntime"):
      "disables EFI variables, which boot entries need"
    case "__": "ends the kernel's parameters: the rest goes to init"
    default: nil
    }
  }
}
