// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import Findings
internal import KeyEnrolment
internal import Messages
internal import SecureBoot

/// Microsoft's certificates of 2011 without their successors of 2023.
///
/// Microsoft signs shim and option ROMs only with the certificates of 2023 since those of 2011 expired in June 2026.
/// Programs that are signed with the old ones still start: firmware ignores the dates.
enum VendorCertificates {
  static func findings(_ firmware: FirmwareKeys) -> [Finding] {
    var lists: [(list: String, missing: String, effect: Message)] = []
    if isOld(firmware.database.db.certificates, .authority2011) {
      lists.append(
        (
          "db", VendorCertificate.authority2023.rawValue,
          "this machine rejects new versions of shim and new firmware of plug-in cards"
        ))
    }
    if isOld(firmware.keyExchangeKeys, .exchangeKey2011) {
      lists.append(
        (
          "KEK", VendorCertificate.exchangeKey2023.rawValue,
          "this machine rejects new updates of db and dbx by Microsoft"
        ))
    }
    let advice: Message =
      firmware.isOwned
      ? "keep the lists unchanged unless this machine starts shim or such a card; then enrol that certificate in the firmware's menu"
      : "install the vendor's firmware updates; they bring the certificates of 2023"
    return lists.map { list, missing, effect in
      Finding(
        .vendorCertificatesOld,
        "\(list) contains Microsoft's certificate of 2011, but not '\(missing)': \(effect)",
        arguments: ["list": .string(list), "missing": .string(missing)], actions: [.advise(advice)])
    }
  }

  /// Whether the firmware starts the shim of a distribution: it is signed with one of Microsoft's two UEFI CAs.
  static func startShim(_ certificates: [Certificate]) -> Bool {
    certificates.contains { [.authority2011, .authority2023].contains(VendorCertificate($0)) }
  }

  private static func isOld(_ certificates: [Certificate], _ old: VendorCertificate) -> Bool {
    let known = certificates.compactMap { VendorCertificate($0) }
    return known.contains(old) && !known.contains { $0 == old.successor }
  }
}
