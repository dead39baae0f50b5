// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
package import HostSystem
internal import Messages
internal import UnifiedKernelImage

/// The command lines of a host's UKIs besides the configured one.
///
/// With a stub of systemd 257 or newer, a trial and the administrator's profiles are profiles of the UKI. An older stub
/// cannot choose between command lines while Secure Boot is on, and a second UKI for each kernel would double the space
/// on the ESP. So its UKIs always have the words that a trial needs, which only restart a machine that would otherwise
/// stop.
package struct ImageVariants: Sendable {
  /// From profile 1 on.
  let profiles: [BootProfile]
  /// Words at the end of every command line.
  package let guards: [CommandLine.Part]
  /// The boot ID of the running system; nil if unknown.
  let bootID: String?
  /// Profiles that the stub does not support, one sentence each.
  let notes: [Message]

  /// Reads the host's profiles.
  ///
  /// Throws `BootEnvironmentError` if one is invalid, `HostError` if a file cannot be read.
  init(of host: Host, _ configuration: Configuration) throws {
    bootID = host.bootID
    let own = try BootProfile.load(from: host.files)
    let wanted = (configuration.promotion == .trial ? [BootProfile.trial] : []) + own
    guard !wanted.isEmpty else {
      (profiles, guards, notes) = ([], [], [])
      return
    }
    if try Self.stubHasProfiles(on: host) {
      (profiles, guards, notes) = (wanted, [], [])
      return
    }
    profiles = []
    guards =
      configuration.promotion == .trial
      ? [CommandLine.Part(path: Configuration.path, text: BootProfile.guards)] : []
    notes =
      own.isEmpty
      ? [] : ["the profiles in \(BootProfile.directory) need the stub of systemd 257 or newer; the UKIs have none"]
  }

  /// Whether the host's stub can start another command line for a trial, so that only trials keep the watchdog running.
  ///
  /// False if the stub cannot be read: building a UKI reports that.
  package static func stubHasProfiles(on host: Host) throws -> Bool {
    let path = BootPrograms(try host.machine).stub
    guard let file = try? host.files.openFile(path),
      let stub = try? Stub(parsing: NamedInput(name: path, bytes: file))
    else { return false }
    return stub.knows(SectionName.profile)
  }

  /// The profiles of a UKI with this command line.
  ///
  /// Throws `ImageError`.
  func profiles(of line: String) throws -> [ImageProfile] {
    try profiles.map { profile in
      try ImageProfile(
        id: profile.id, title: profile.title, commandLine: Array(profile.commandLine(from: line).utf8))
    }
  }

  /// The number of the profile for a trial; nil if the UKIs have none.
  var trialNumber: Int? { profiles.first == .trial ? 1 : nil }
}
