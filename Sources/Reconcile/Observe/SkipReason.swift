// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem
package import Messages

/// Why there is nothing for this program to do on a host.
///
/// Hooks are silent about all of them.
package enum SkipReason: String, Hashable, Sendable {
  /// `Enabled=no`.
  case disabled
  /// Proxmox's installer is at work in this root.
  case installer
  case container
  /// The machine was not booted by UEFI firmware.
  case noFirmware
  /// No key was made yet.
  case noKeys
  /// No ESP is mounted.
  case noESP = "noPartition"

  /// As a sentence.
  package var message: Message {
    switch self {
    case .disabled: "switched off by Enabled=no"
    case .installer: "the Proxmox installer is running"
    case .container: "a container boots no kernel"
    case .noFirmware: "this machine was not booted by UEFI firmware"
    case .noKeys: "there is no signing key yet"
    case .noESP: "no EFI System Partition is mounted at /efi, /boot/efi or /boot"
    }
  }

  /// What turns it into something to do; nil where that is as it should be.
  package var hint: Message? {
    switch self {
    case .noKeys: "make keys with: pve-sb-uki keys create"
    case .noESP: "mount it, or name its mount point with Esp= in \(Configuration.path)"
    default: nil
    }
  }
}

extension SkipReason {
  /// What can be told before an ESP is looked for; nil if nothing is in the way.
  ///
  /// The running machine is asked for its firmware only when nobody named an ESP: with `Esp=` images are made in a chroot
  /// or container too, where /sys may not be mounted; under another root the firmware here says nothing.
  init?(of host: Host, _ configuration: Configuration) throws {
    guard let reason = try Self.reason(host, configuration) else { return nil }
    self = reason
  }

  private static func reason(_ host: Host, _ configuration: Configuration) throws -> SkipReason? {
    guard configuration.isEnabled else { return .disabled }
    if try host.files.exists("/proxmox_install_mode") { return .installer }
    if host.isRunningSystem, configuration.espPath == nil {
      if try isContainer(host) { return .container }
      guard try host.files.exists("/sys/firmware/efi") else { return .noFirmware }
    }
    let isDefault = configuration.key == Configuration.defaultKey
    // Where images were made a key that is not there is a failure, to be told where it is needed.
    if isDefault, try !host.files.exists(configuration.key), try !host.files.exists(Manifest.path) { return .noKeys }
    return nil
  }

  /// systemd's own signs of a container (systemd.io/CONTAINER_INTERFACE).
  private static func isContainer(_ host: Host) throws -> Bool {
    if let name = host.environment("container"), !name.isEmpty { return true }
    return try host.files.exists("/run/systemd/container")
  }
}

/// The settings and ESPs of a host, or why there is nothing to do on it.
package enum Readiness {
  case skip(SkipReason)
  case ready(Configuration, ESPSurvey)

  /// Throws `Failure` if ESPs that hold images are not listed any more: another one that happens to be mounted is no
  /// substitute, and silence would leave the host without images of its new kernels.
  package init(of host: Host) throws {
    let configuration = try Configuration(of: host.files)
    let reason = try SkipReason(of: host, configuration)
    if let reason, reason != .noKeys {
      self = .skip(reason)
      return
    }
    if reason == .noKeys {
      // The root of an image that is being built has neither: keys made there would be those of every copy of it.
      let isNowhere = (try? ESPSurvey(of: host, configuration)) == ESPSurvey()
      self = .skip(isNowhere ? .noESP : .noKeys)
      return
    }
    let survey = try ESPSurvey(of: host, configuration)
    let isListed = survey.esps.contains { if case .listed = $0.source { true } else { false } }
    guard !isListed, survey.problems.isEmpty, configuration.espPath == nil else {
      self = .ready(configuration, survey)
      return
    }
    let known = Set(Manifest.load(from: host.files).manifest.images.flatMap { $0.copies.map(\.esp) })
    let missed = known.filter { !$0.hasPrefix("/") }.sorted()
    guard missed.isEmpty else {
      throw Failure(
        """
        \(ESPSurvey.listPath) lists no partition any more, but there are images on \
        \(missed.joined(separator: ", "))
        """,
        hint: """
          have it written anew with 'proxmox-boot-tool init', or name another partition with Esp= in \(Configuration.path)
          """)
    }
    if !survey.esps.isEmpty {
      self = .ready(configuration, survey)
      return
    }
    guard known.isEmpty else { throw Failure(SkipReason.noESP.message, hint: SkipReason.noESP.hint) }
    self = .skip(.noESP)
  }
}
