// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import Messages
internal import SigningKeys

/// `pve-sb-uki keys restore`: brings a backup back to a host without keys.
package struct KeysRestore: Sendable {
  /// A path of the user.
  package var path: String

  package init(path: String) { self.path = path }

  package struct Result: Sendable {
    package var list: KeysList.Result
    package var notes: [Message]
  }

  private static let tries = 3

  /// Opens and checks the backup, then writes all its files, or none.
  ///
  /// Throws `Failure` if keys exist, if the passphrase is missing or wrong, and for a file that is not a backup;
  /// `HostError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let store = try KeyStore(configuredOn: host)
    try store.requireEmpty(in: host.files)
    let sealed = try host.userFiles.readFile(path, limit: PasswordEnvelope.sizeLimit)
    let archive = try describing(path) { try KeyArchive(parsing: try open(sealed, on: host), named: path) }
    let (certificates, notes) = try check(archive, on: host)
    try store.install(files: archive.storeFiles, on: host)
    try KeyBackupRecord.add(certificates, on: host)
    return Result(list: try KeysList().run(on: host), notes: notes)
  }

  private func open(_ sealed: [UInt8], on host: Host) throws -> [UInt8] {
    func attempt(_ secret: Secret) throws -> [UInt8]? {
      do {
        let content = try KeysBackup.using(secret) { try PasswordEnvelope.open(sealed, passphrase: $0) }
        // Keys in it may have the same passphrase.
        host.passphrases.known.remember(secret, for: path)
        return content
      } catch let error as CryptoError where error.kind == .passphrase {
        return nil
      }
    }
    if let file = host.passphrases.file {
      if let content = try attempt(try PassphraseFile.read(file, in: host.userFiles)) { return content }
      throw Failure(
        "the passphrase in \(file) does not open \(path)", hint: "specify the passphrase that the backup was made with")
    }
    var note: Message?
    for _ in 0..<Self.tries {
      guard let secret = try host.askSecret("Passphrase for \(path): ", after: note) else { break }
      if let content = try attempt(secret) { return content }
      note = "wrong passphrase"
    }
    throw Failure(
      note == nil ? "\(path) is protected by a passphrase" : "wrong passphrase for \(path)",
      hint: note == nil
        ? "specify it with --passphrase-file, or run this on a terminal" : "try again, or use another backup")
  }

  /// The certificates whose private keys are in the archive, after all pairs were checked.
  ///
  /// A key with an unknown passphrase of its own is only noted: its digest is correct.
  private func check(_ archive: KeyArchive, on host: Host) throws -> (certificates: [Certificate], notes: [Message]) {
    func content(_ name: String) -> [UInt8]? { archive.files[name] }
    let present = KeyRole.allCases.filter { content(KeyStore.certificateFile(of: $0)) != nil }
    let owner = content(KeyStore.ownerFile).map { String(decoding: $0, as: UTF8.self) }
    guard present == KeyRole.allCases || present == [.signatureDatabase],
      let line = owner?.split(separator: "\n").first, GUID(String(line)) != nil
    else {
      throw Failure("\(path): the set of keys in it is incomplete", hint: "use another backup")
    }
    var certificates: [Certificate] = []
    var notes: [Message] = []
    for role in KeyRole.allCases {
      let key = content(KeyStore.keyFile(of: role))
      guard let bytes = content(KeyStore.certificateFile(of: role)) else {
        guard key == nil else { throw Failure("\(path): \(KeyStore.keyFile(of: role)) has no certificate") }
        continue
      }
      let name = "\(path): \(KeyStore.certificateFile(of: role))"
      let certificate = try describing(name) { try CertificateFile(parsing: bytes).signer() }
      guard let key else { continue }
      certificates.append(certificate)
      let pair = KeySet.Pair(certificate: certificate, privateKey: key)
      if try !pair.isProven(as: role, in: path, on: host) {
        notes.append(
          "\(KeyStore.keyFile(of: role)) has a passphrase of its own, so it was not compared with its certificate")
      }
    }
    return (certificates, notes)
  }
}
