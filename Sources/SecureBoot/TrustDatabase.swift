// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import EFIData
package import HostSystem
package import Messages

/// What this machine's firmware and shim accept and refuse, as far as the running system shows it.
package struct TrustDatabase: Sendable {
  /// Certificates in db: the firmware starts what they signed.
  package private(set) var firmwareCertificates: [Certificate] = []
  /// Certificates in MokListRT: shim starts what they signed, the firmware by itself does not.
  package private(set) var machineOwnerCertificates: [Certificate] = []
  /// Certificates in dbx and MokListXRT: nothing that they signed is started.
  package private(set) var forbiddenCertificates: [Certificate] = []
  /// SHA-256 digests of the to-be-signed parts of certificates that dbx revokes, from whatever time on.
  package private(set) var forbiddenCertificateDigests: Set<[UInt8]> = []
  /// SHA-256 Authenticode digests in db and MokListRT.
  package private(set) var allowedImageDigests: Set<[UInt8]> = []
  /// SHA-256 Authenticode digests in dbx and MokListXRT; they outweigh everything else.
  package private(set) var forbiddenImageDigests: Set<[UInt8]> = []
  /// Whether the firmware enforces signatures; nil where it does not say (BIOS boot, container, `--root`).
  package private(set) var secureBootEnabled: Bool?
  /// Whether the firmware takes keys without a signature; nil where it does not say.
  package private(set) var setupMode: Bool?
  /// Entries that were passed over, each as a sentence that names its variable: types not evaluated here and
  /// certificates that libcrypto cannot read.
  package private(set) var ignoredEntries: [Message] = []

  /// Whether nothing starts without a signature: Secure Boot is on, and not in Setup Mode.
  package var isEnforced: Bool { secureBootEnabled == true && setupMode != true }

  /// Certificates that either the firmware or shim accepts.
  package var certificates: [Certificate] { firmwareCertificates + machineOwnerCertificates }

  /// A machine that trusts and refuses nothing.
  package init() {}

  /// Reads the variables.
  ///
  /// One that does not exist counts as empty. Throws `HostError` for what cannot be read and for content that is not of
  /// the form UEFI 2.10 section 32.4.1 prescribes.
  package init(readingFrom host: Host) throws {
    let store = EFIVariableStore(of: host.files)
    secureBootEnabled = try Self.flag(.secureBoot, store)
    setupMode = try Self.flag(.setupMode, store)
    if let db = try Self.database(.signatureDatabase, store) {
      firmwareCertificates = readCertificates(db, "db")
      allowedImageDigests.formUnion(db.signatures(of: .sha256).map(\.data))
      noteOtherTypes(db, name: "db", known: [.x509, .sha256])
    }
    if let list = try Self.database(.machineOwnerKeys, store) {
      machineOwnerCertificates = readCertificates(list, "MokListRT")
      allowedImageDigests.formUnion(list.signatures(of: .sha256).map(\.data))
      noteOtherTypes(list, name: "MokListRT", known: [.x509, .sha256])
    }
    for variable in [EFIVariableName.forbiddenDatabase, .forbiddenMachineOwnerKeys] {
      guard let dbx = try Self.database(variable, store) else { continue }
      forbiddenCertificates += readCertificates(dbx, variable.name)
      forbiddenImageDigests.formUnion(dbx.signatures(of: .sha256).map(\.data))
      forbiddenCertificateDigests.formUnion(dbx.signatures(of: .x509SHA256).map { Array($0.data.prefix(32)) })
      noteOtherTypes(dbx, name: variable.name, known: [.x509, .sha256, .x509SHA256])
    }
  }

  private mutating func readCertificates(_ database: SignatureDatabase, _ name: String) -> [Certificate] {
    database.signatures(of: .x509).compactMap { signature in
      do {
        return try Certificate(parsing: signature.data)
      } catch {
        ignoredEntries.append("\(name) holds a certificate that is passed over: \(error)")
        return nil
      }
    }
  }

  private mutating func noteOtherTypes(_ database: SignatureDatabase, name: String, known: Set<SignatureType>) {
    for list in database.lists where !known.contains(list.type) {
      ignoredEntries.append("\(name) holds \(list.signatures.count) entries of type \(list.type.guid), not evaluated")
    }
  }

  private static func flag(_ variable: EFIVariableName, _ store: EFIVariableStore) throws -> Bool? {
    guard let data = try data(of: variable, store), let value = data.first else { return nil }
    return value == 1
  }

  private static func database(_ variable: EFIVariableName, _ store: EFIVariableStore) throws -> SignatureDatabase? {
    guard let data = try data(of: variable, store) else { return nil }
    return try describing(variable, in: store) { try SignatureDatabase(parsing: data) }
  }

  /// An empty file is damage here: what cannot be read must not pass for a list that forbids nothing.
  private static func data(of variable: EFIVariableName, _ store: EFIVariableStore) throws -> [UInt8]? {
    guard let file = try store.fileContent(variable.fileName) else { return nil }
    return try describing(variable, in: store) { try EFIVariableContent(parsing: file).data }
  }

  private static func describing<Value>(
    _ variable: EFIVariableName, in store: EFIVariableStore, _ body: () throws -> Value
  ) throws -> Value {
    do {
      return try body()
    } catch let error as ParseError {
      throw HostError(
        "read", store.displayPath(of: variable.fileName), detail: Message(error),
        hint: "the firmware's key store may be damaged; its setup menu can restore the factory keys")
    }
  }
}
