// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import EFIData
package import HostSystem

/// Which entries of others KEK and db keep beside the owner's.
package enum VendorEntries: String, CaseIterable, Sendable {
  /// Those in the list, or the firmware's defaults if the list is empty.
  case keep = "keep"
  /// The firmware's defaults.
  case `default` = "default"
  case none = "none"
}

/// The content that KEK and db get at an enrolment.
///
/// An update replaces the whole list: without the vendor's certificates in it, plug-in cards and shim stop working.
package struct WantedLists: Sendable {
  package let keyExchangeKeys: SignatureDatabase
  package let signatureDatabase: SignatureDatabase
  /// The content of dbx if the firmware has lost it and has defaults for it; nil if dbx needs no update.
  package let forbidden: SignatureDatabase?
  /// The entries of others in KEK and db.
  package let kept: [Kept]

  package struct Kept: Hashable, Sendable {
    /// `KEK` or `db`.
    package var list: String
    /// Nil for entries that are not certificates.
    package var certificate: Certificate?
  }

  /// Decides the lists.
  ///
  /// - Parameters:
  ///   - exchangeKey: the owner's certificate for KEK.
  ///   - certificates: the owner's certificates for db: first the one that signs UKIs.
  ///   - owner: the owner's GUID.
  ///   - vendor: what to keep.
  ///   - store: the firmware's variables.
  /// - Throws: `HostError` if a variable exists but cannot be read.
  package init(
    exchangeKey: Certificate, certificates: [Certificate], owner: GUID, vendor: VendorEntries,
    in store: EFIVariableStore
  ) throws {
    forbidden =
      try Self.lists(in: .forbiddenDatabase, store).isEmpty
      ? Self.defaults(of: .forbiddenDatabase, store).nilIfEmpty.map { SignatureDatabase(lists: $0) } : nil
    let exchange = try Self.entries(of: .keyExchangeKey, vendor, in: store).without([exchangeKey])
    let database = try Self.entries(of: .signatureDatabase, vendor, in: store).without(certificates)
    func wanted(_ own: [Certificate], _ others: [SignatureList]) -> SignatureDatabase {
      SignatureDatabase(lists: SignatureDatabase(certificates: own.map(\.der), owner: owner).lists + others)
    }
    keyExchangeKeys = wanted([exchangeKey], exchange)
    signatureDatabase = wanted(certificates, database)
    kept =
      exchange.map { Kept(list: "KEK", certificate: $0.certificate) }
      + database.map { Kept(list: "db", certificate: $0.certificate) }
  }

  private static func entries(
    of variable: EFIVariableName, _ vendor: VendorEntries, in store: EFIVariableStore
  ) throws -> [SignatureList] {
    switch vendor {
    case .none: return []
    case .default: return try defaults(of: variable, store)
    case .keep:
      let present = try lists(in: variable, store)
      return try present.isEmpty ? defaults(of: variable, store) : present
    }
  }

  /// The content of dbDefault and the like (UEFI 2.10 section 3.3).
  private static func defaults(of variable: EFIVariableName, _ store: EFIVariableStore) throws -> [SignatureList] {
    try lists(in: EFIVariableName(name: "\(variable.name)Default", vendor: EFIVariableName.globalVendor), store)
  }

  private static func lists(in variable: EFIVariableName, _ store: EFIVariableStore) throws -> [SignatureList] {
    guard let file = try store.read(variable.fileName), let content = try? EFIVariableContent(parsing: file) else {
      return []
    }
    return SignatureDatabase.readable(in: content.data).database.lists
  }
}

extension [SignatureList] {
  fileprivate var nilIfEmpty: Self? { isEmpty ? nil : self }

  /// The lists without these certificates; each certificate in a list of its own, since shim reads only the first.
  fileprivate func without(_ own: [Certificate]) -> [SignatureList] {
    flatMap { list -> [SignatureList] in
      guard list.type == .x509 else { return [list] }
      return list.signatures.map { SignatureList(type: .x509, signature: $0) }
        .filter { entry in entry.certificate.map { !own.contains($0) } ?? true }
    }
  }
}

extension SignatureList {
  /// The first certificate; nil if it is none, or cannot be read.
  fileprivate var certificate: Certificate? {
    guard type == .x509, let entry = signatures.first else { return nil }
    return try? Certificate(parsingPrefixOf: entry.data)
  }
}
