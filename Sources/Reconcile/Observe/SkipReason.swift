// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem
package import Messages

/// Why pve-sb-uki has nothing to do on a host.
///
/// Hooks do not report it.
package enum SkipReason: String, Hashable, Sendable {
  /// `Enabled=no`.
  case disabled = "disabled"
  /// The Proxmox installer is running in this root.
  case installer = "installer"
  case container = "container"
  /// The machine was not booted by UEFI firmware.
  case noFirmware = "no-firmware"
  /// No signing key exists yet.
  case noKeys = "no-keys"
  /// No ESP is mounted.
  case noESP = "no-esp"

  package var message: Message {
    switch self {
    case .disabled: "disabled by Enabled=no"
    case .installer: "the Proxmox installer is running"
    case .container: "a container does not boot a kernel of its own"
    case .noFirmware: "this machine was booted in BIOS mode, not by UEFI firmware"
    case .noKeys: "no signing key exists yet"
    case .noESP: "no ESP is mounted at /efi, /boot/efi or /boot"
    }
  }

  /// What the administrator can change if this was not intended; nil if there is nothing.
  package var advice: Message? {
    switch self {
    case .disabled: "to enable it: pve-sb-uki config set Enabled yes"
    case .noFirmware:
      """
      to boot UKIs, turn CSM or legacy mode off in the firmware's menu and install the system in UEFI mode; to build UKIs \
      for another machine, set Esp= in \(Configuration.path)
      """
    default: hint
    }
  }

  /// What to do about it; nil if nothing has to be changed.
  package var hint: Message? {
    switch self {
    case .noKeys: "run 'pve-sb-uki keys create'"
    case .noESP: "mount it, or set its mount point with Esp= in \(Configuration.path)"
    default: nil
    }
  }
}

extension SkipReason {
  /// The reason that can be found before looking for an ESP; nil if none applies.
  ///
  /// The running machine's firmware only matters if `Esp=` is not set. With `Esp=`, UKIs are also built in a chroot or
  /// container, where /sys may not be mounted. For another root, this machine's firmware is irrelevant. Throws
  /// `HostError`.
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
    // If UKIs existed before, a missing key is a failure, which is reported where the key is needed.
    if isDefault, try !host.files.exists(configuration.key), try !host.files.exists(Manifest.path) { return .noKeys }
    return nil
  }

  /// systemd's container interface (systemd.io/CONTAINER_INTERFACE).
  package static func isContainer(_ host: Host) throws -> Bool {
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
  /// Throws `Failure` if ESPs with UKIs are no longer listed. Another mounted ESP does not replace them, and skipping
  /// silently would leave the host without UKIs for new kernels. Throws `BootEnvironmentError` for invalid settings,
  /// `HostError` if the host cannot be read.
  package init(of host: Host) throws {
    let configuration = try Configuration(of: host.files)
    let reason = try SkipReason(of: host, configuration)
    if let reason, reason != .noKeys {
      self = .skip(reason)
      return
    }
    if reason == .noKeys {
      // Both are missing in the root of a system image that is being built. Keys created there would end up in every
      // copy.
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
        \(ESPSurvey.listPath) no longer lists an ESP, but there are UKIs on \
        \(missed.joined(separator: ", "))
        """,
        hint: """
          recreate it with 'proxmox-boot-tool init', or set another ESP with Esp= in \(Configuration.path)
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
