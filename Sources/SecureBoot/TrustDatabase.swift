// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import EFIData
package import HostSystem
package import Messages

/// The certificates and digests that this machine's firmware and shim accept or reject, from the EFI variables.
package struct TrustDatabase: Sendable {
  /// Certificates in db: the firmware starts images signed by them.
  package private(set) var firmwareCertificates: [Certificate] = []
  /// Certificates in MokListRT: shim, but not the firmware, starts images signed by them.
  package private(set) var machineOwnerCertificates: [Certificate] = []
  /// Certificates in dbx and MokListXRT: images signed by them are rejected.
  package private(set) var forbiddenCertificates: [Certificate] = []
  /// SHA-256 digests of the to-be-signed parts of certificates revoked by dbx, regardless of the revocation time.
  package private(set) var forbiddenCertificateDigests: Set<[UInt8]> = []
  /// SHA-256 Authenticode digests in db and MokListRT.
  package private(set) var allowedImageDigests: Set<[UInt8]> = []
  /// SHA-256 Authenticode digests in dbx and MokListXRT; they override everything else.
  package private(set) var forbiddenImageDigests: Set<[UInt8]> = []
  /// Whether Secure Boot is on; nil if the variable does not exist (BIOS boot, container, `--root`).
  package private(set) var secureBootEnabled: Bool?
  /// Whether the firmware is in Setup Mode and accepts unsigned keys; nil if the variable does not exist.
  package private(set) var setupMode: Bool?
  /// Ignored entries, each as a sentence that names its variable: unsupported types, and certificates that libcrypto
  /// cannot read.
  package private(set) var ignoredEntries: [Message] = []

  /// Whether unsigned images are rejected: Secure Boot is on and the firmware is not in Setup Mode.
  package var isEnforced: Bool { secureBootEnabled == true && setupMode != true }

  /// Certificates accepted by the firmware or by shim.
  package var certificates: [Certificate] { firmwareCertificates + machineOwnerCertificates }

  /// A machine with empty lists.
  package init() {}

  /// Reads the variables.
  ///
  /// A missing variable counts as empty. Throws `HostError` if a variable cannot be read or is malformed (UEFI 2.10
  /// section 32.4.1).
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
        ignoredEntries.append("\(name) contains a certificate that cannot be read: \(error)")
        return nil
      }
    }
  }

  private mutating func noteOtherTypes(_ database: SignatureDatabase, name: String, known: Set<SignatureType>) {
    for list in database.lists where !known.contains(list.type) {
      ignoredEntries.append("\(name) contains \(list.signatures.count) entries of unknown type \(list.type.guid)")
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

  /// Returns the variable's data; an empty file is an error, since it must not count as an empty dbx.
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
        hint: "restore the factory keys in the firmware's setup menu; its key store may be damaged")
    }
  }
}
