// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Findings
internal import HostSystem
internal import Messages

/// The command that rebuilds a kernel's initrd and its UKI.
struct InitrdCommand {
  private let files: FileSystem
  private let kernel: Kernel
  private let isByDracut: Bool

  /// For an initrd made by `generator`, or by the one that is installed.
  init(_ host: Host, _ kernel: Kernel, _ generator: InitrdContents.Generator) {
    files = host.files
    self.kernel = kernel
    let hasInitramfsTools = (try? host.files.exists("/usr/sbin/mkinitramfs")) ?? false
    let hasDracut = (try? host.files.exists("/usr/bin/dracut")) ?? false
    // An old initrd may be by a program that is gone.
    isByDracut = hasDracut && (generator == .dracut || !hasInitramfsTools)
  }

  /// initramfs-tools calls the hook that rebuilds the UKI; dracut does not.
  var text: Message {
    isByDracut
      ? "dracut --force --kver \(kernel.release) && pve-sb-uki apply" : "update-initramfs -u -k \(kernel.release)"
  }

  /// What to do about something missing; if the package that adds it is not installed, that first.
  func actions(for lack: Lack) throws -> [Finding.Action] {
    if let package = package(for: lack.purpose), try !InstalledPackages(files).isInstalled(package) {
      return [.run("apt install \(package) && \(text)")]
    }
    guard !isByDracut, case .layer = lack.purpose else { return [.run(text)] }
    return [
      .run(text), .advise("if that does not help, list the modules in /etc/initramfs-tools/modules and repeat it"),
    ]
  }

  private func package(for purpose: Lack.Purpose) -> String? {
    guard case .layer(let layer) = purpose else { return nil }
    return switch layer {
    case .fileSystem: nil
    case .zfs: isByDracut ? "zfs-dracut" : "zfs-initramfs"
    case .logicalVolume: "lvm2"
    case .encryption: isByDracut ? "cryptsetup" : "cryptsetup-initramfs"
    case .array: "mdadm"
    }
  }
}

/// The packages that are installed, as far as dpkg's file lists show.
struct InstalledPackages {
  private static let directory = "/var/lib/dpkg/info"
  private let files: FileSystem

  init(_ files: FileSystem) { self.files = files }

  /// Also true if that is unknown.
  func isInstalled(_ package: String) throws -> Bool {
    guard try files.isDirectory(Self.directory) else { return true }
    return try hasList(package)
  }

  /// The installed package with the kernel's files; nil if there is none.
  func kernelPackage(_ kernel: Kernel) throws -> String? {
    let names = ["linux-image-", "proxmox-kernel-", "pve-kernel-"].flatMap { prefix in
      ["-signed", "-unsigned", ""].map { "\(prefix)\(kernel.release)\($0)" }
    }
    return try names.first { try hasList($0) }
  }

  private func hasList(_ package: String) throws -> Bool {
    try files.exists("\(Self.directory)/\(package).list")
  }
}

extension Lack.Purpose {
  /// The stable name in `--json`.
  var name: String {
    switch self {
    case .start: "start"
    case .layer(.fileSystem): "file-system"
    case .layer(.zfs): "zfs"
    case .layer(.logicalVolume): "lvm"
    case .layer(.encryption): "encryption"
    case .layer(.array): "raid"
    }
  }

  /// The end of the sentence "it is needed for …".
  var text: Message {
    switch self {
    case .start: "every boot"
    case .layer(.fileSystem(let type)): "a root file system of type \(type)"
    case .layer(.zfs): "a root file system on ZFS"
    case .layer(.logicalVolume): "a root file system on LVM"
    case .layer(.encryption): "an encrypted root file system"
    case .layer(.array(let level)): "a root file system on an md array (\(level))"
    }
  }
}
