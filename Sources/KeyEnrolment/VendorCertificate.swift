// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography

/// Microsoft's certificates in the lists of firmware, by common name.
///
/// Those of 2011 expired in 2026. Programs that are signed with them still start: firmware ignores the dates. But only
/// those of 2023 sign new versions.
package enum VendorCertificate: String, CaseIterable, Sendable {
  case exchangeKey2011 = "Microsoft Corporation KEK CA 2011"
  case exchangeKey2023 = "Microsoft Corporation KEK 2K CA 2023"
  case windows2011 = "Microsoft Windows Production PCA 2011"
  case windows2023 = "Windows UEFI CA 2023"
  /// Signs shim and the firmware of plug-in cards.
  case authority2011 = "Microsoft Corporation UEFI CA 2011"
  case authority2023 = "Microsoft UEFI CA 2023"
  /// Signs the firmware of plug-in cards since 2023.
  case optionROM2023 = "Microsoft Option ROM UEFI CA 2023"

  /// The one that the certificate's subject names; nil for any other certificate.
  package init?(_ certificate: Certificate) {
    let subject = certificate.subject
    guard let found = Self.allCases.first(where: { subject.contains(bytes: "CN = \($0.rawValue)") }) else { return nil }
    self = found
  }

  /// The certificate of 2023 that takes over its work; nil for those of 2023.
  package var successor: VendorCertificate? {
    switch self {
    case .exchangeKey2011: .exchangeKey2023
    case .windows2011: .windows2023
    case .authority2011: .authority2023
    default: nil
    }
  }

  /// Whether the firmware of plug-in cards is signed with it.
  package var signsOptionROMs: Bool {
    switch self {
    case .authority2011, .authority2023, .optionROM2023: true
    default: false
    }
  }
}
