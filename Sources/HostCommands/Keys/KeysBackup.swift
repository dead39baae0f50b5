// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import Messages
internal import SigningKeys

/// `pve-sb-uki keys backup`: writes everything of the key store to one encrypted file.
///
/// The file is CMS around a tar archive, so that openssl and tar open it without pve-sb-uki.
package struct KeysBackup: Sendable {
  /// A path of the user.
  package var path: String
  /// Whether to replace an existing file.
  package var overwrites = false

  package init(path: String) { self.path = path }

  package struct Result: Sendable {
    package var path: String
    /// The names of the files in it.
    package var names: [String]
    package var notes: [Message]
    /// The command that opens it without pve-sb-uki.
    package var command: Message
  }

  /// Writes the file, reads it back, decrypts it and compares it with the store.
  ///
  /// Throws `Failure` if there are no keys, for a place on an ESP or a file that exists, and without a passphrase;
  /// `HostError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let store = try KeyStore(configuredOn: host)
    try requireKeys(in: store)
    try requirePlace(on: host)
    let archive = try KeyArchive(of: store, on: host)
    let passphrase = try NewPassphrase.choose("New passphrase for the backup: ", on: host)
    host.progress("encrypting the keys")
    let content = try archive.serialize(at: host.buildTime ?? host.plausibleTime)
    let sealed = try Self.using(passphrase) { try PasswordEnvelope.seal(content, passphrase: $0) }
    try host.userFiles.replaceFile(path, mode: 0o600) { written in
      let read = try written.readToEnd(limit: PasswordEnvelope.sizeLimit)
      let opened = try Self.using(passphrase) { try PasswordEnvelope.open(read, passphrase: $0) }
      guard try KeyArchive(parsing: opened, named: path).files == KeyArchive(of: store, on: host).files else {
        throw Failure(
          "\(path): the backup read back differs from \(store.displayPath)",
          hint: "check this machine's memory and storage, and try again")
      }
    } writing: {
      try $0.write(sealed)
    }
    let roles = KeyRole.allCases.filter { archive.files[KeyStore.keyFile(of: $0)] != nil }
    try KeyBackupRecord.add(try roles.map { try store.certificate(of: $0) }, on: host)
    return Result(
      path: path, names: KeyArchive.names.filter { archive.files[$0] != nil },
      notes: try notes(archive, store, on: host),
      command:
        "read -rsp 'Passphrase: ' P && openssl cms -decrypt -inform DER -in \(path.shellWord) -pwri_password \"$P\" | tar -xv"
    )
  }

  static func using<Value>(_ secret: Secret, _ body: ([UInt8]) throws -> Value) rethrows -> Value {
    var bytes = secret.copy()
    defer { Secret.wipe(&bytes) }
    return try body(bytes)
  }

  private func requireKeys(in store: KeyStore) throws {
    switch try store.state() {
    case .absent: throw Failure("no keys in \(store.displayPath)", hint: "run 'pve-sb-uki keys create'")
    case .complete(let offline) where !offline.contains(.signatureDatabase): break
    case .complete, .signingPair(hasPrivateKey: false):
      throw Failure(
        "the private keys in \(store.displayPrivatePath) are missing",
        hint: "connect and mount the medium with \(store.displayPrivatePath), and try again")
    case .signingPair, .partial: break
    }
  }

  private func notes(_ archive: KeyArchive, _ store: KeyStore, on host: Host) throws -> [Message] {
    let missing = KeyRole.allCases.map(KeyStore.keyFile(of:)).filter {
      archive.files[$0] == nil && archive.files[$0.dropLast(3) + "crt"] != nil
    }
    return missing.isEmpty
      ? [] : ["not in the backup: \(missing.joined(separator: ", ")), which \(store.displayPrivatePath) does not have"]
  }

  private func requirePlace(on host: Host) throws {
    let directory = PathName(path).directory
    for esp in try Self.survey(of: host).esps where try esp.contains(directory, in: host.userFiles, of: host) {
      throw Failure(
        "\(path) is on the ESP \(esp.name), which anyone with the disk can read",
        hint: "write it to another machine or to a USB stick")
    }
    guard try host.userFiles.isDirectory(directory) else {
      throw Failure("\(directory) is not a directory", hint: "create it first, or mount the medium")
    }
    if !overwrites, try host.userFiles.linkStatus(of: path) != nil {
      throw Failure("\(path) exists", hint: "use another name, or --force to replace it")
    }
  }

  /// The ESPs of the host, whatever its settings are; a secret must not get there even if they are invalid.
  static func survey(of host: Host) throws -> ESPSurvey {
    try ESPSurvey(of: host, (try? Configuration(of: host.files)) ?? Configuration())
  }
}
