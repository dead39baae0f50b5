// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import SigningKeys

/// The public parts that `keys export` or `enroll --stage` has written for the current certificate, and where the next export belongs.
struct ExportedKeys {
  /// Where a firmware menu or mokutil finds the files.
  struct Place {
    /// As seen from outside the host's root; nil on an ESP that is not mounted.
    var path: String?
    /// For people: the directory, and the ESP if it is on one.
    var name: Message
    var isOnESP: Bool
    /// Whether there are updates for all of db, KEK and PK, rather than only a certificate.
    var isComplete: Bool
  }

  /// The directory on an ESP.
  static let directoryOnESP = "/EFI/pve-sb-uki"
  /// The directory if no ESP is mounted.
  static let otherDirectory = "/root/pve-sb-uki-public"

  /// The files of the current certificate; nil if there are none.
  let place: Place?
  /// The directory to export to, as seen from outside the host's root.
  let target: String

  /// Looks on the ESPs, then in the other directory.
  ///
  /// A place that cannot be read counts as empty.
  init(of certificate: Certificate, _ survey: ESPSurvey, on host: Host) {
    var found: Place?
    for esp in survey.esps where found == nil {
      guard let files = try? esp.open(on: host, for: .reading),
        let isComplete = Self.isComplete(Self.directoryOnESP, certificate, in: files)
      else { continue }
      let path = Self.mountPoint(esp).map { host.files.display($0 + Self.directoryOnESP) }
      found = Place(
        path: path, name: "EFI/pve-sb-uki on the ESP \(esp.name)", isOnESP: true, isComplete: isComplete)
    }
    let other = host.files.display(Self.otherDirectory)
    if found == nil, let isComplete = Self.isComplete(Self.otherDirectory, certificate, in: host.files) {
      found = Place(path: other, name: Message(verbatim: other), isOnESP: false, isComplete: isComplete)
    }
    place = found
    target = Self.target(survey, on: host)
  }

  /// The directory to export to.
  static func target(_ survey: ESPSurvey, on host: Host) -> String {
    let mounted = survey.esps.lazy.compactMap { mountPoint($0) }.first
    return host.files.display(mounted.map { $0 + directoryOnESP } ?? otherDirectory)
  }

  private static func mountPoint(_ esp: ESP) -> String? {
    if case .directory(let path) = esp.source { path } else { nil }
  }

  /// Whether the directory has the updates for all variables; nil without the certificate.
  private static func isComplete(_ directory: String, _ certificate: Certificate, in files: FileSystem) -> Bool? {
    let name = KeyRole.signatureDatabase.name
    // `keys export` writes both; `enroll --stage` only what a firmware's menu accepts.
    let isThere = [".der", ".cer"].contains { suffix in
      (try? files.readFileIfPresent("\(directory)/\(name)\(suffix)", limit: KeySource.sizeLimit)) == certificate.der
    }
    guard isThere else { return nil }
    return KeyRole.allCases.allSatisfy { (try? files.exists("\(directory)/\($0.name).auth")) == true }
  }
}
