// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import HostSystem
package import Messages

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
    package var message: Message {
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
    package var hint: Message? {
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
    // Where images were made the key is not missing yet, but any more: that is for those to tell who need it.
    if isDefault, try !host.files.exists(configuration.key), try !host.files.exists(Manifest.path) { return .noKeys }
    return nil
  }

  /// The settings and partitions of a host, or why there is nothing to do on it.
  enum Ground {
    case obstacle(Obstacle)
    case ready(Configuration, EFISystemPartition.Survey)
  }

  /// Throws `Failure` if partitions that hold images are not listed any more: another one that happens to be mounted
  /// is no substitute, and silence would leave the host without images of its new kernels.
  static func ground(of host: Host) throws -> Ground {
    let configuration = try Configuration(of: host.files)
    let reason = try obstacle(on: host, configuration)
    if let reason, reason != .noKeys { return .obstacle(reason) }
    if reason == .noKeys {
      // The root of an image that is being built has neither: keys made there would be those of every copy of it.
      let isNowhere = (try? EFISystemPartition.survey(on: host, configuration)) == EFISystemPartition.Survey()
      return .obstacle(isNowhere ? .noPartition : .noKeys)
    }
    let survey = try EFISystemPartition.survey(on: host, configuration)
    let isListed = survey.partitions.contains { if case .listed = $0.source { true } else { false } }
    guard !isListed, survey.problems.isEmpty, configuration.systemPartition == nil else {
      return .ready(configuration, survey)
    }
    let known = Set(Manifest.load(from: host.files).manifest.images.flatMap { $0.copies.map(\.partition) })
    let missed = known.filter { !$0.hasPrefix("/") }.sorted()
    guard missed.isEmpty else {
      throw Failure(
        """
        \(EFISystemPartition.listPath) lists no partition any more, but there are images on \
        \(missed.joined(separator: ", "))
        """,
        hint: """
          have it written anew with 'proxmox-boot-tool init', or name another partition with Esp= in \(Configuration.path)
          """)
    }
    if !survey.partitions.isEmpty { return .ready(configuration, survey) }
    guard known.isEmpty else { throw Failure(Obstacle.noPartition.message, hint: Obstacle.noPartition.hint) }
    return .obstacle(.noPartition)
  }

  /// systemd's own signs of a container (systemd.io/CONTAINER_INTERFACE).
  private static func isContainer(_ host: Host) throws -> Bool {
    if let name = host.environment("container"), !name.isEmpty { return true }
    return try host.files.exists("/run/systemd/container")
  }
}
