// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import EFIData
internal import Messages
package import SigningKeys

/// What the firmware's lists shall contain.
package struct EnrolmentGoal: Sendable {
  /// What happens to the certificates of others in db and KEK.
  package enum Vendor: String, CaseIterable, Sendable {
    /// They stay; an empty list gets those of the factory.
    case keep = "keep"
    /// They are replaced with those of the factory.
    case factory = "default"
    /// They are removed.
    case none = "none"
  }

  /// What the administrator accepts to lose; the raw value is the name of the option.
  package enum Risk: String, CaseIterable, Sendable {
    /// Boot paths that start now are rejected afterwards.
    case bootPaths = "lose-boot-paths"
    /// Disks that a TPM unlocks ask for a passphrase afterwards.
    case unlocking = "lose-tpm-unlock"
    /// The firmware of plug-in cards is rejected afterwards.
    case optionROMs = "lose-option-roms"
    /// The firmware's store of variables gets full.
    case variableRoom = "risk-full-nvram"
  }

  package var vendor = Vendor.keep
  /// The owner's certificates.
  package var own: [KeyRole: Certificate]
  /// The owner GUID of their entries.
  package var owner: GUID
  /// More signatures for db.
  package var additions = SignatureDatabase()
  /// Whether to add to db only, signed by KEK, and to leave PK and KEK as they are.
  package var isAppend = false
  package var risks: Set<Risk> = []

  package init(own: [KeyRole: Certificate], owner: GUID) {
    self.own = own
    self.owner = owner
  }

  /// The signatures that `lists` lacks: the owner's certificate of `role`, and for db the additions.
  func missing(_ role: KeyRole, in lists: SignatureDatabase) -> SignatureDatabase {
    let certificates = own[role].map { [$0.der] } ?? []
    let wanted =
      SignatureDatabase(certificates: certificates, owner: owner).lists
      + (role == .signatureDatabase ? additions.withOneListPerCertificate.lists : [])
    func known(_ list: SignatureList) -> Set<[UInt8]> {
      Set(lists.signatures(of: list.type).map(\.data))
    }
    return SignatureDatabase(
      lists: wanted.filter { list in !Set(list.signatures.map(\.data)).isSubset(of: known(list)) })
  }

  /// The new content of db, KEK or PK.
  ///
  /// Lists that are kept are unchanged, except that each certificate gets its own list. So a second run with the same
  /// goal wants what the first one has written.
  package func content(of role: KeyRole, from lists: FirmwareLists) -> [UInt8] {
    var database = SignatureDatabase()
    if role != .platformKey {
      let present = lists.data(role.variable)
      let factory = lists.factoryData(role.variable)
      let base: [UInt8] =
        switch vendor {
        case .keep: present.isEmpty ? factory : present
        case .factory: factory
        case .none: []
        }
      database = SignatureDatabase.readable(in: base).database.withOneListPerCertificate
    }
    database.lists += missing(role, in: database).lists
    return database.serialize()
  }
}
