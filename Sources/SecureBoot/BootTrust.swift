// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import Messages

/// Whether this machine, as currently configured, starts images signed by a certificate's key.
///
/// This is the only place that decides it. It checks only the certificate, not an image's digest (which dbx can revoke)
/// or its SBAT level.
package enum BootTrust: Hashable, Sendable {
  case accepted(reason: Message)
  case refused(reason: Message, hint: Message)

  package var isAccepted: Bool { if case .accepted = self { true } else { false } }

  /// Decides as EDK2 does, or, for an image started by shim, as shim does: db or its own MOK list must allow it.
  ///
  /// Whether the firmware starts shim itself is not checked here. Firmware without the variables has no Secure Boot.
  /// Throws `CryptoError` if libcrypto fails.
  package static func evaluate(
    certificate: Certificate, database: TrustDatabase, throughShim: Bool
  ) throws -> BootTrust {
    guard database.secureBootEnabled == true else {
      let isAbsent = database.secureBootEnabled == nil
      return .accepted(reason: isAbsent ? "this firmware has no Secure Boot" : "Secure Boot is off")
    }
    guard database.setupMode != true else {
      return .accepted(reason: "the firmware is in Setup Mode and does not enforce signatures")
    }
    let name: Message = "the certificate \(certificate.subject)"
    if try database.forbids(certificate) {
      return .refused(reason: "\(name) is revoked (dbx)", hint: "create and enrol new keys")
    }
    if let anchor = try certificate.descends(fromAnyOf: database.firmwareCertificates) {
      return .accepted(
        reason: anchor == certificate ? "\(name) is in db" : "\(name) is issued by \(anchor.subject) in db")
    }
    let owned = try certificate.descends(fromAnyOf: database.machineOwnerCertificates)
    if throughShim {
      if owned != nil { return .accepted(reason: "\(name) is in shim's MOK list") }
      return .refused(
        reason: "\(name) is neither in db nor in shim's MOK list",
        hint: "run 'pve-sb-uki keys export DIR' and 'mokutil --import DIR/db.der', then reboot")
    }
    guard owned == nil else {
      return .refused(
        reason: "\(name) is not in db, only in shim's MOK list",
        hint: """
          set Chain=shim, or export it with 'pve-sb-uki keys export DIR' and enrol it in the firmware's setup menu
          """)
    }
    return .refused(
      reason: "\(name) is not in db",
      hint: "export it with 'pve-sb-uki keys export DIR' and enrol it in the firmware's setup menu")
  }
}

extension BootTrust {
  /// Whether only shim's MOK list, but not db, allows the certificate, regardless of whether Secure Boot is on.
  package static func isKnownToShimOnly(certificate: Certificate, database: TrustDatabase) throws -> Bool {
    try certificate.descends(fromAnyOf: database.firmwareCertificates) == nil
      && certificate.descends(fromAnyOf: database.machineOwnerCertificates) != nil
  }
}

extension TrustDatabase {
  /// Whether dbx or MokListXRT revokes the certificate or one of its issuers.
  ///
  /// Throws `CryptoError` if libcrypto fails.
  package func forbids(_ certificate: Certificate) throws -> Bool {
    try certificate.descends(fromAnyOf: forbiddenCertificates) != nil
      || ([certificate] + certificate.issuers).contains {
        forbiddenCertificateDigests.contains(try $0.toBeSignedDigest())
      }
  }
}

extension Certificate {
  fileprivate func descends(fromAnyOf anchors: [Certificate]) throws -> Certificate? {
    try anchors.first { try descends(from: $0) }
  }
}
