// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData

/// What a key of an owner's hierarchy is for (UEFI 2.10 section 32.3).
package enum KeyRole: String, CaseIterable, Sendable {
  /// Platform key: signs updates of PK and KEK.
  case platformKey = "PK"
  /// Key exchange key: signs updates of db and dbx.
  case keyExchangeKey = "KEK"
  /// Signs what the firmware starts.
  case signatureDatabase = "db"

  package var name: String { rawValue }

  /// The variable that holds the certificate.
  package var variable: EFIVariableName {
    switch self {
    case .platformKey: .platformKey
    case .keyExchangeKey: .keyExchangeKey
    case .signatureDatabase: .signatureDatabase
    }
  }

  /// The key that signs updates of the variable.
  package var authority: KeyRole { self == .signatureDatabase ? .keyExchangeKey : .platformKey }

  /// What the certificate allows, in OpenSSL's notation. The firmware asks for nothing here; code signing on db's
  /// keeps strict verifiers content, and the module-signing purpose, which makes shim refuse images, is left out.
  package var extendedKeyUsage: String? { self == .signatureDatabase ? "codeSigning" : nil }
}
