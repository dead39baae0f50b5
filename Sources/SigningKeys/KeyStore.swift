// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
internal import EFIData
package import HostSystem
internal import Messages

/// The owner's keys on this host: a `.key` and a `.crt` in PEM for each of PK, KEK and db, and the owner's `GUID`.
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
    /// for PK and KEK; only updates need them.
    case complete(withoutPrivateKeys: [KeyRole])
    /// Names of the existing and of the missing files.
    case partial(present: [String], missing: [String])
  }

  package let directory: String
  private let host: Host
  /// `PassphraseFile=`, a path on the host.
  private let passphraseFile: String?
  private var files: FileSystem { host.files }

  package init(of host: Host, directory: String = standardDirectory, passphraseFile: String? = nil) {
    self.directory = directory
    self.host = host
    self.passphraseFile = passphraseFile
  }

  package static let ownerFile = "GUID"
  private static let updateTimeFile = "LAST-UPDATE"
  /// Maximum size of a file in bytes; a PEM file of RSA 4096 has 4 KiB.
  private static let sizeLimit = 1 << 20

  package static func keyFile(of role: KeyRole) -> String { "\(role.name).key" }
  package static func certificateFile(of role: KeyRole) -> String { "\(role.name).crt" }

  /// The path on the host of a file in the store.
  package func path(of name: String) -> String { "\(directory)/\(name)" }
  /// The same path as seen from outside the host's root, for messages.
  package func displayPath(of name: String) -> String { files.display(path(of: name)) }
  package var displayPath: String { files.display(directory) }

  package func state() throws -> State {
    let names = KeyRole.allCases.flatMap { [Self.keyFile(of: $0), Self.certificateFile(of: $0)] } + [Self.ownerFile]
    let present = Set(try files.list(directory) ?? [])
    let missing = names.filter { !present.contains($0) }
    guard missing.count < names.count else { return .absent }
    let offline = [KeyRole.platformKey, .keyExchangeKey].filter { missing.contains(Self.keyFile(of: $0)) }
    if missing == offline.map(Self.keyFile(of:)) { return .complete(withoutPrivateKeys: offline) }
    return .partial(present: names.filter { present.contains($0) }, missing: missing)
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

extension KeyStore {
  /// Creates the store with new keys, all files at once; throws if it exists.
  ///
  /// The private keys are encrypted with `passphrase` unless that is nil.
  ///
  /// Private keys have mode 0600 in a directory with mode 0700 from the first byte. The files are read back before the
  /// directory gets its name.
  package func create(_ hierarchy: KeyHierarchy, passphrase: Secret? = nil, on host: Host) throws {
    // Only this passphrase may open the keys that are read back.
    var reader = host
    reader.passphrases = PassphraseInput()
    try host.files.makeCompleteDirectory(directory) { temporary in
      for role in KeyRole.allCases {
        let identity = hierarchy[role]
        let key = "\(temporary)/\(Self.keyFile(of: role))"
        try host.files.replaceFile(key, mode: 0o600, content: try identity.key.serializedPEM(protectedBy: passphrase))
        if let passphrase { reader.passphrases.known.remember(passphrase, for: host.files.display(key)) }
        let certificate = "\(temporary)/\(Self.certificateFile(of: role))"
        try host.files.replaceFile(certificate, mode: 0o644, content: try identity.certificate.serializedPEM())
      }
      let owner = Array("\(hierarchy.owner)\n".utf8)
      try host.files.replaceFile("\(temporary)/\(Self.ownerFile)", mode: 0o644, content: owner)
      let written = try KeyStore(of: reader, directory: temporary).hierarchy()
      guard
        KeyRole.allCases.allSatisfy({ written[$0].certificate == hierarchy[$0].certificate }),
        written.owner == hierarchy.owner
      else {
        throw HostError(
          "create", displayPath, detail: "the keys read back differ from those written",
          hint: "check this machine's memory and storage")
      }
    }
  }
}
