// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem
package import Messages

/// Why this program has nothing to do on a host.
///
/// Hooks report none of them.
package enum SkipReason: String, Hashable, Sendable {
  /// `Enabled=no`.
  case disabled = "disabled"
  /// The Proxmox installer is running in this root.
  case installer = "installer"
  case container = "container"
  /// The machine was not booted by UEFI firmware.
  case noFirmware = "noFirmware"
  /// There is no signing key yet.
  case noKeys = "noKeys"
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

  /// How to change that; nil if nothing has to be changed.
  package var hint: Message? {
    switch self {
    case .noKeys: "make keys with: pve-sb-uki keys create"
    case .noESP: "mount it, or name its mount point with Esp= in \(Configuration.path)"
    default: nil
    }
  }
}

extension SkipReason {
  /// The reason that can be found before looking for an ESP; nil if there is none.
  ///
  /// The firmware of the running machine matters only if `Esp=` is not set. With `Esp=`, images are also made in a
  /// chroot or container, where /sys may not be mounted. For another root the firmware of this machine means nothing.
  /// Throws `HostError`.
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
    // If there were images before, a missing key is a failure, reported where the key is needed.
    if isDefault, try !host.files.exists(configuration.key), try !host.files.exists(Manifest.path) { return .noKeys }
    return nil
  }

  /// The signs of a container that systemd defines (systemd.io/CONTAINER_INTERFACE).
  private static func isContainer(_ host: Host) throws -> Bool {
    if let name = host.environment("container"), !name.isEmpty { return true }
    return try host.files.exists("/run/systemd/container")
  }
}

/// The settings and ESPs of a host, or the reason to skip it.
package enum Readiness {
  case skip(SkipReason)
  case ready(Configuration, ESPSurvey)

  /// Reads the settings and finds the ESPs.
  ///
  /// Throws `Failure` if ESPs with images are no longer listed. Another ESP that happens to be mounted does not replace
  /// them, and to skip silently would leave the host without images of new kernels. Throws `BootEnvironmentError` for
  /// invalid settings, `HostError` if the host cannot be read.
  package init(of host: Host) throws {
    let configuration = try Configuration(of: host.files)
    let reason = try SkipReason(of: host, configuration)
    if let reason, reason != .noKeys {
      self = .skip(reason)
      return
    }
    if reason == .noKeys {
      // Neither exists in the root of a system image that is being built. Keys made there would end up in every copy of
      // it.
      let hasNoESP = (try? ESPSurvey(of: host, configuration)) == ESPSurvey()
      self = .skip(hasNoESP ? .noESP : .noKeys)
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
