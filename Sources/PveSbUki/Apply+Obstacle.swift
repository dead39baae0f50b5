// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

extension Apply {
  /// Why there is nothing for this program to do on a host. Hooks are silent about all of them.
  package enum Obstacle: Hashable, Sendable {
    /// `Enabled=no`.
    case disabled
    /// Proxmox's installer is at work in this root.
    case installer
    case container
    /// The machine was not booted by UEFI firmware.
    case noFirmware
    /// No key was made yet.
    case noKeys
    /// No EFI System Partition is mounted.
    case noPartition

    /// As a sentence.
    package var description: String {
      switch self {
      case .disabled: "switched off by Enabled=no"
      case .installer: "the Proxmox installer is running"
      case .container: "a container boots no kernel"
      case .noFirmware: "this machine was not booted by UEFI firmware"
      case .noKeys: "there is no signing key yet"
      case .noPartition: "no EFI System Partition is mounted at /efi, /boot/efi or /boot"
      }
    }

    /// What turns it into something to do; nil where that is as it should be.
    package var hint: String? {
      switch self {
      case .noKeys: "make keys with: pve-sb-uki keys create"
      case .noPartition: "mount it, or name its mount point with Esp= in \(Configuration.path)"
      default: nil
      }
    }
  }

  /// What can be told before the partition is looked for.
  ///
  /// The running machine is asked for its firmware only when nobody named a partition: with `Esp=` images are made in
  /// a chroot or container too, where /sys may not be mounted; under another root the firmware here says nothing.
  static func obstacle(on host: Host, _ configuration: Configuration) throws -> Obstacle? {
    guard configuration.isEnabled else { return .disabled }
    if try host.files.exists("/proxmox_install_mode") { return .installer }
    if host.isRunningSystem, configuration.systemPartition == nil {
      if try isContainer(host) { return .container }
      guard try host.files.exists("/sys/firmware/efi") else { return .noFirmware }
    }
    let isDefault = configuration.key == Configuration.defaultKey
    if isDefault, try !host.files.exists(configuration.key) { return .noKeys }
    return nil
  }

  /// systemd's own signs of a container (systemd.io/CONTAINER_INTERFACE).
  private static func isContainer(_ host: Host) throws -> Bool {
    if let name = host.environment("container"), !name.isEmpty { return true }
    return try host.files.exists("/run/systemd/container")
  }
}
