// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// What the signatures of a list are, as a GUID (UEFI 2.10 section 32.4.1); an open set.
package struct SignatureType: Hashable, Sendable {
  package let guid: GUID

  package init(guid: GUID) { self.guid = guid }

  /// A DER certificate. All signatures of a list have one size, so each certificate stands in a list of its own.
  package static let x509 = Self(guid: GUID(0xa5c0_59a1, 0x94e4, 0x4aa7, 0x87b5_ab15_5c2b_f072))
  /// A SHA-256 digest, of an image in db and dbx.
  package static let sha256 = Self(guid: GUID(0xc1c4_1626, 0x504c, 0x4092, 0xaca9_41f9_3693_4328))
  /// The SHA-256 digest of a certificate's to-be-signed part and the EFI_TIME from which on it is revoked.
  package static let x509SHA256 = Self(guid: GUID(0x3bd2_a492, 0x96c0, 0x4079, 0xb420_fcf9_8ef1_03ed))

  /// The size in bytes that every signature of this type has; nil where it varies or is not known here.
  var dataSize: Int? {
    switch self {
    case .sha256: 32
    case .x509SHA256: 48
    default: nil
    }
  }
}
