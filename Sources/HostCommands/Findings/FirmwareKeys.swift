// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import HostSystem
internal import SecureBoot
internal import SigningKeys

/// The keys that the firmware has, and those that its owner has on this host.
struct FirmwareKeys {
  let platformKeys: [Certificate]
  let keyExchangeKeys: [Certificate]
  let database: TrustDatabase
  /// The owner's certificates in the key store of this host, as far as they can be read.
  let own: [KeyRole: Certificate]

  /// Reads the variables and the key store.
  ///
  /// Throws `HostError` if db or another list exists, but cannot be read.
  init(of host: Host) throws {
    let variables = host.variables
    database = try TrustDatabase(readingFrom: variables)
    let authorities = try AuthorityLists(readingFrom: variables)
    platformKeys = authorities.platformKeys
    keyExchangeKeys = authorities.keyExchangeKeys
    let store = KeyStore(of: host)
    own = KeyRole.allCases.reduce(into: [:]) { $0[$1] = try? store.certificate(of: $1) }
  }

  /// Whether the firmware's platform key is the owner's.
  var isOwned: Bool { own[.platformKey].map(platformKeys.contains) ?? false }

  /// Whether the firmware has the certificate in the variable of `role`.
  func contains(_ certificate: Certificate, as role: KeyRole) -> Bool {
    switch role {
    case .platformKey: platformKeys.contains(certificate)
    case .keyExchangeKey: keyExchangeKeys.contains(certificate)
    case .signatureDatabase: database.db.certificates.contains(certificate)
    }
  }
}
