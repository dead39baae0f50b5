// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import SigningKeys

/// The public parts on the ESPs, where the firmware's menu finds them, and where `keys export` may write.
struct ExportedKeys {
  /// The files of the current certificate on the first ESP that has them.
  struct Place {
    /// For people: the ESP.
    var name: String
    /// Whether there are updates for all of db, KEK and PK, rather than only a certificate.
    var isComplete: Bool
  }

  /// The directory for exports if no ESP is mounted.
  static let otherDirectory = "/root/pve-sb-uki-public"

  /// Nil if no ESP has the files.
  let place: Place?

  /// Looks on the ESPs; one that cannot be read counts as empty.
  init(of certificate: Certificate, _ survey: ESPSurvey, on host: Host) {
    for esp in survey.esps {
      guard let files = try? esp.open(on: host, for: .reading), let isComplete = Self.isComplete(certificate, in: files)
      else { continue }
      place = Place(name: esp.name, isComplete: isComplete)
      return
    }
    place = nil
  }

  /// A directory to export to, as seen from outside the host's root.
  static func target(_ survey: ESPSurvey, on host: Host) -> String {
    let mounted = survey.esps.lazy.compactMap { mountPoint($0) }.first
    return host.files.display(mounted.map { $0 + StagedKeys.menuDirectory } ?? otherDirectory)
  }

  private static func mountPoint(_ esp: ESP) -> String? {
    if case .directory(let path) = esp.source { path } else { nil }
  }

  /// Whether the files on an ESP have the updates for all variables; nil without the certificate.
  private static func isComplete(_ certificate: Certificate, in files: FileSystem) -> Bool? {
    let directory = StagedKeys.menuDirectory
    // `keys export` writes both; `enroll --stage` only what a firmware's menu accepts.
    let isThere = [".der", ".cer"].contains { suffix in
      let path = "\(directory)/\(KeyRole.signatureDatabase.name)\(suffix)"
      return (try? files.readFileIfPresent(path, limit: KeySource.sizeLimit)) == certificate.der
    }
    guard isThere else { return nil }
    return KeyRole.allCases.allSatisfy { (try? files.exists("\(directory)/\($0.name).auth")) == true }
  }
}
