// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import Messages

/// Whether this machine, as it is set now, would start what a certificate's key has signed.
///
/// This is the one place that answers it. What it looks at so far is the certificate alone: not the digest of an image
/// (dbx can revoke that), nor its SBAT level.
package enum BootTrust: Hashable, Sendable {
  case accepted(reason: Message)
  case refused(reason: Message, hint: Message)

  package var isAccepted: Bool { if case .accepted = self { true } else { false } }

  /// Judges as EDK2 does, and for an image that shim starts, as shim does: it takes what db or its own list of machine
  /// owner keys allows.
  ///
  /// That the firmware starts shim itself is not looked at here.
  ///
  /// Firmware that says nothing of Secure Boot has none. Throws `CryptoError` if libcrypto cannot judge.
  package static func evaluate(
    certificate: Certificate, database: TrustDatabase, throughShim: Bool
  ) throws -> BootTrust {
    guard database.secureBootEnabled == true else {
      let isAbsent = database.secureBootEnabled == nil
      return .accepted(reason: isAbsent ? "this firmware has no Secure Boot" : "Secure Boot is off")
    }
    guard database.setupMode != true else {
      return .accepted(reason: "the firmware is in Setup Mode and enforces nothing")
    }
    let name: Message = "the certificate \(certificate.subject)"
    if try database.forbids(certificate) {
      return .refused(reason: "\(name) is revoked (dbx)", hint: "make new keys and enrol them")
    }
    if let anchor = try certificate.descends(fromAnyOf: database.firmwareCertificates) {
      return .accepted(
        reason: anchor == certificate ? "\(name) is in db" : "\(name) descends from \(anchor.subject) in db")
    }
    let owned = try certificate.descends(fromAnyOf: database.machineOwnerCertificates)
    if throughShim {
      if owned != nil { return .accepted(reason: "\(name) is in the list of machine owner keys") }
      return .refused(
        reason: "neither db nor the list of machine owner keys holds \(name)",
        hint: "export it with 'pve-sb-uki keys export DIR', then 'mokutil --import DIR/db.der' and reboot")
    }
    guard owned == nil else {
      return .refused(
        reason: "db does not hold \(name), only shim's list of machine owner keys does",
        hint: """
          set Chain=shim, or export it with 'pve-sb-uki keys export DIR' and enrol it from the firmware's setup menu
          """)
    }
    return .refused(
      reason: "db does not hold \(name)",
      hint: "export it with 'pve-sb-uki keys export DIR' and enrol it from the firmware's setup menu")
  }
}

extension BootTrust {
  /// Whether shim's list allows what the certificate's key has signed and db does not, be Secure Boot on or off.
  package static func isKnownToShimOnly(certificate: Certificate, database: TrustDatabase) throws -> Bool {
    try certificate.descends(fromAnyOf: database.firmwareCertificates) == nil
      && certificate.descends(fromAnyOf: database.machineOwnerCertificates) != nil
  }
}

extension TrustDatabase {
  /// Whether dbx or MokListXRT revokes the certificate or one that it descends from.
  ///
  /// Throws `CryptoError` if libcrypto cannot judge.
  package func forbids(_ certificate: Certificate) throws -> Bool {
    try certificate.descends(fromAnyOf: forbiddenCertificates) != nil
      || forbiddenCertificateDigests.contains(certificate.toBeSignedDigest())
  }
}

extension Certificate {
  fileprivate func descends(fromAnyOf anchors: [Certificate]) throws -> Certificate? {
    try anchors.first { try descends(from: $0) }
  }
}
