// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
internal import EFIData
package import HostSystem
internal import Messages

/// The owner's keys on this host: a `.key` and a `.crt` in PEM for each of PK, KEK and db, or for db alone, and the
/// owner's `GUID`.
///
/// The private keys may be in another directory, such as on an encrypted USB stick (`KeyDirectory=`). Then `directory`
/// has everything else, so that only signing needs the stick.
package struct KeyStore: Sendable {
  /// The default directory of the keys.
  package static let standardDirectory = "/etc/pve-sb-uki/keys"
  /// The default path of the key that signs UKIs.
  package static let standardKeyPath = "\(standardDirectory)/\(keyFile(of: .signatureDatabase))"
  /// The default path of that key's certificate.
  package static let standardCertificatePath = "\(standardDirectory)/\(certificateFile(of: .signatureDatabase))"

  package enum State: Hashable, Sendable {
    case absent
    /// Everything needed to sign UKIs exists. The private keys of these roles were moved off the host, as recommended
    /// for PK and KEK; only updates need them. That of db is missing only if the medium of `privateDirectory` is away.
    case complete(withoutPrivateKeys: [KeyRole])
    /// The pair that signs, without PK and KEK: for MOK, or on a build machine. The private key is missing only if the
    /// medium of `privateDirectory` is away.
    case signingPair(hasPrivateKey: Bool)
    /// Names of the existing and of the missing files.
    case partial(present: [String], missing: [String])
  }

  /// The directory of the certificates, the GUID and the record of updates.
  package let directory: String
  /// The directory of the private keys.
  package let privateDirectory: String
  private let host: Host
  /// `PassphraseFile=`, a path on the host.
  private let passphraseFile: String?
  private var files: FileSystem { host.files }

  /// The private keys are in `directory`, too, if `privateDirectory` is nil.
  package init(
    of host: Host, directory: String = standardDirectory, privateDirectory: String? = nil,
    passphraseFile: String? = nil
  ) {
    self.directory = directory
    self.privateDirectory = privateDirectory ?? directory
    self.host = host
    self.passphraseFile = passphraseFile
  }

  package static let ownerFile = "GUID"
  package static let updateTimeFile = "LAST-UPDATE"
  /// Maximum size of a file in bytes; a PEM file of RSA 4096 has 4 KiB.
  private static let sizeLimit = 1 << 20

  package static func keyFile(of role: KeyRole) -> String { "\(role.name).key" }
  package static func certificateFile(of role: KeyRole) -> String { "\(role.name).crt" }

  /// Whether the private keys are in a directory of their own.
  package var isSplit: Bool { privateDirectory != directory }

  /// The path on the host of a file in the store.
  package func path(of name: String) -> String {
    PathName.join(KeyRole.allCases.map(Self.keyFile(of:)).contains(name) ? privateDirectory : directory, name)
  }
  /// The same path as seen from outside the host's root, for messages.
  package func displayPath(of name: String) -> String { files.display(path(of: name)) }
  package var displayPath: String { files.display(directory) }
  package var displayPrivatePath: String { files.display(privateDirectory) }

  package func state() throws -> State {
    let names = KeyRole.allCases.flatMap { [Self.keyFile(of: $0), Self.certificateFile(of: $0)] } + [Self.ownerFile]
    let present = try existingNames().intersection(names)
    guard !present.isEmpty else { return .absent }
    let missing = names.filter { !present.contains($0) }
    let offline = (isSplit ? KeyRole.allCases : [.platformKey, .keyExchangeKey])
      .filter { missing.contains(Self.keyFile(of: $0)) }
    if missing == offline.map(Self.keyFile(of:)) { return .complete(withoutPrivateKeys: offline) }
    let pair = [Self.keyFile(of: .signatureDatabase), Self.certificateFile(of: .signatureDatabase), Self.ownerFile]
    if present == Set(pair) { return .signingPair(hasPrivateKey: true) }
    if isSplit, present == Set(pair.dropFirst()) { return .signingPair(hasPrivateKey: false) }
    return .partial(present: names.filter { present.contains($0) }, missing: missing)
  }

  /// The names of the files in both directories: private keys in one, all others in the other.
  package func existingNames() throws -> Set<String> {
    let all = Set(try files.list(directory) ?? [])
    guard isSplit else { return all }
    let keys = Set(KeyRole.allCases.map(Self.keyFile(of:)))
    return all.subtracting(keys).union(Set(try files.list(privateDirectory) ?? []).intersection(keys))
  }

  package func owner() throws -> GUID {
    let text = String(decoding: try read(Self.ownerFile), as: UTF8.self)
    guard let line = text.split(separator: "\n").first, let guid = GUID(String(line)) else {
      throw HostError(
        "use", displayPath(of: Self.ownerFile), detail: "it does not contain a GUID",
        hint: "write the owner's GUID to it; every enrolled signature list contains it")
    }
    return guid
  }

  package func certificate(of role: KeyRole) throws -> Certificate {
    let name = Self.certificateFile(of: role)
    return try describing(name) { try CertificateFile(parsing: try read(name)).signer() }
  }

  /// Finds the passphrase of a protected key as for `KeySource`.
  package func privateKey(of role: KeyRole) throws -> PrivateKey {
    let name = Self.keyFile(of: role)
    let content = try read(name)
    let passphrases = KeyPassphrases(specified: host.passphrases.file, setting: passphraseFile, on: host)
    return try describing(name) {
      try passphrases.open(file: displayPath(of: name)) { try PrivateKey(parsing: content, passphrase: $0) }
    }
  }

  /// Whether a passphrase protects the private key.
  package func isProtected(_ role: KeyRole) throws -> Bool {
    let name = Self.keyFile(of: role)
    do {
      _ = try PrivateKey(parsing: try read(name), passphrase: .none)
      return false
    } catch let error as CryptoError where error.kind == .passphrase {
      return true
    }
  }

  /// The key and its certificate.
  package func identity(of role: KeyRole) throws -> SigningIdentity {
    let key = try privateKey(of: role)
    let certificate = try certificate(of: role)
    return try describing(Self.certificateFile(of: role)) {
      try SigningIdentity(key: key, certificate: certificate)
    }
  }

  /// All three keys.
  ///
  /// Throws a `HostError` that names the missing or unsuitable file.
  package func hierarchy() throws -> KeyHierarchy {
    KeyHierarchy(
      platformKey: try identity(of: .platformKey),
      keyExchangeKey: try identity(of: .keyExchangeKey),
      signatureDatabaseKey: try identity(of: .signatureDatabase), owner: try owner())
  }

  /// The path of the file with the time of the latest update, for messages.
  package var updateTimePath: String { displayPath(of: Self.updateTimeFile) }

  /// The time of the latest update signed with these keys, in seconds since 1970; nil if there was none.
  package func lastUpdateTime() throws -> Int64? {
    guard let text = try files.readTextIfPresent(path(of: Self.updateTimeFile), limit: 64) else { return nil }
    guard let line = text.split(separator: "\n").first, let seconds = EFITime.unixSeconds(parsing: line) else {
      throw HostError(
        "use", updateTimePath, detail: "it does not contain a number of seconds",
        hint: "write the output of 'date +%s' to it")
    }
    return seconds
  }

  package func recordUpdateTime(_ seconds: Int64) throws {
    try files.replaceFile(path(of: Self.updateTimeFile), mode: 0o600, content: Array("\(seconds)\n".utf8))
  }

  private func read(_ name: String) throws -> [UInt8] { try files.readFile(path(of: name), limit: Self.sizeLimit) }

  private func describing<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as CryptoError {
      throw HostError("use", displayPath(of: name), detail: Message(error))
    } catch let error as KeyLoadFailure {
      throw error.failure
    }
  }
}
