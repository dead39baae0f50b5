// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import HostSystem
internal import Messages
internal import SigningKeys

/// The public parts of this host's keys as files: those of the owner, whose db is the certificate that signs UKIs, or only
/// that certificate.
struct PublicParts {
  typealias File = (name: String, bytes: [UInt8])

  let store: KeyStore
  /// The certificate that signs UKIs.
  let signer: Certificate
  /// The certificates by role; only db if there is no owner with PK and KEK.
  let certificates: [KeyRole: Certificate]
  /// Nil without an owner, and if no updates are needed.
  let hierarchy: KeyHierarchy?

  /// Whether the owner's PK and KEK exist, so that all of the firmware's lists can be replaced.
  var hasOwner: Bool { certificates[.platformKey] != nil }
  /// The roles with a certificate, in the order PK, KEK, db.
  var roles: [KeyRole] { KeyRole.allCases.filter { certificates[$0] != nil } }

  /// Loads them.
  ///
  /// `needsUpdates` says whether updates will be signed, with the private keys of PK and KEK. Throws `Failure` or
  /// `HostError`.
  init(of host: Host, _ configuration: Configuration, needsUpdates: Bool) throws {
    store = try KeyStore(configuredOn: host)
    let state = try store.state()
    if state == .absent, configuration.certificate == Configuration.defaultCertificate {
      throw Failure("no keys in \(store.displayPath)", hint: "run 'pve-sb-uki keys create'")
    }
    switch state {
    case .absent, .signingPair:
      signer = try configuration.signingKey.loadCertificate(from: host)
      certificates = [.signatureDatabase: signer]
      hierarchy = nil
    case .complete(let offline) where !offline.isEmpty && needsUpdates:
      let names = offline.map(KeyStore.keyFile(of:)).joined(separator: ", ")
      throw Failure(
        "cannot sign updates: \(names) missing in \(store.displayPrivatePath)",
        hint: store.isSplit
          ? "connect and mount the medium with \(store.displayPrivatePath), and try again"
          : "copy the private keys back for the export, and remove them again afterwards")
    default:
      let store = store
      let signer = try configuration.signingKey.loadCertificate(from: host)
      self.signer = signer
      hierarchy =
        try needsUpdates
        ? describing(store.displayPath) { try store.hierarchy() }.enrolling(signer) : nil
      certificates = [
        .platformKey: try store.certificate(of: .platformKey),
        .keyExchangeKey: try store.certificate(of: .keyExchangeKey), .signatureDatabase: signer,
      ]
    }
  }

  /// Certificates in each of the formats, for each role.
  func certificateFiles(_ suffixes: [String], _ roles: [KeyRole]? = nil) throws -> [File] {
    try (roles ?? self.roles).flatMap { role in
      try suffixes.compactMap { suffix in
        guard let certificate = certificates[role] else { return nil }
        return ("\(role.name)\(suffix)", suffix == ".crt" ? try certificate.serializedPEM() : certificate.der)
      }
    }
  }

  /// A time for new updates, in seconds since 1970: later than that of all earlier ones.
  ///
  /// Throws `Failure` if no such time exists.
  func newTime(on host: Host) throws -> Int64 {
    let last = try store.lastUpdateTime()
    let time = max(try host.buildTime ?? host.plausibleTime, (last ?? 0) + 1)
    guard EFITime.unixRange.contains(time + 1) else {
      throw Failure(
        "cannot sign updates: no time before the end of the year 9999 is later than the last update",
        hint: "correct this host's clock and \(store.updateTimePath)")
    }
    return time
  }

  /// The time of the last updates; nil if there are none.
  ///
  /// The record is one second later than the time stamps: earlier versions used that time for the removal of PK.
  func lastTime() throws -> Int64? { try store.lastUpdateTime().map { $0 - 1 } }

  /// Records the time of new updates; before they are written, so that it is never used again.
  func record(_ time: Int64) throws { try store.recordUpdateTime(time + 1) }
}
