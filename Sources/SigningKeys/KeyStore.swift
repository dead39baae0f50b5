// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Cryptography
package import HostSystem
internal import Messages

/// The owner's keys on this host: for PK, KEK and db a `.key` and a `.crt` in PEM, and the owner's `GUID`.
package struct KeyStore: Sendable {
  /// The keys' place on every host.
  package static let standardDirectory = "/etc/pve-sb-uki/keys"
  /// Where the key is that signs images, and its certificate, unless the settings name others.
  package static let standardKeyPath = "\(standardDirectory)/\(keyFile(of: .signatureDatabase))"
  package static let standardCertificatePath = "\(standardDirectory)/\(certificateFile(of: .signatureDatabase))"

  package enum State: Hashable, Sendable {
    case absent
    /// Everything that is needed to sign images. Private keys of the roles named were taken off the host, as is wise
    /// for PK and KEK; they are needed again for updates only.
    case complete(withoutPrivateKeys: [KeyRole])
    /// Names of files that are there and of those that are not.
    case partial(present: [String], missing: [String])
  }

  package let directory: String
  private let files: FileSystem

  package init(of host: Host, directory: String = standardDirectory) {
    self.directory = directory
    files = host.files
  }

  package static let ownerFile = "GUID"
  private static let updateTimeFile = "LAST-UPDATE"
  /// Bytes; a PEM file of RSA 4096 has 4 KiB.
  private static let sizeLimit = 1 << 20

  package static func keyFile(of role: KeyRole) -> String { "\(role.name).key" }
  package static func certificateFile(of role: KeyRole) -> String { "\(role.name).crt" }

  /// Path on the host of a file in the store.
  package func path(of name: String) -> String { "\(directory)/\(name)" }
  /// The same as it is seen from outside the host's root, for messages.
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
        "use", displayPath(of: Self.ownerFile), detail: "it holds no GUID",
        hint: "write the owner's GUID into it; any signature list that was enrolled shows it")
    }
    return guid
  }

  package func certificate(of role: KeyRole) throws -> Certificate {
    let name = Self.certificateFile(of: role)
    return try describing(name) { try Certificate(parsing: try read(name)) }
  }

  package func privateKey(of role: KeyRole, passphrase: PassphraseSource = .none) throws -> PrivateKey {
    let name = Self.keyFile(of: role)
    return try describing(name) { try PrivateKey(parsing: try read(name), passphrase: passphrase) }
  }

  /// Key and certificate, valid at `time` in seconds since 1970.
  package func identity(
    of role: KeyRole, at time: Int64, passphrase: PassphraseSource = .none
  ) throws -> SigningIdentity {
    let key = try privateKey(of: role, passphrase: passphrase)
    let certificate = try certificate(of: role)
    return try describing(Self.certificateFile(of: role)) {
      try SigningIdentity(key: key, certificate: certificate, at: time)
    }
  }

  /// All three keys.
  ///
  /// Throws `HostError` that names what is missing or does not fit.
  package func hierarchy(at time: Int64) throws -> KeyHierarchy {
    KeyHierarchy(
      platformKey: try identity(of: .platformKey, at: time),
      keyExchangeKey: try identity(of: .keyExchangeKey, at: time),
      signatureDatabaseKey: try identity(of: .signatureDatabase, at: time), owner: try owner())
  }

  /// The latest time that an update signed with these keys carries, in seconds since 1970; nil if there was none.
  package func lastUpdateTime() throws -> Int64? {
    guard let text = try files.readTextIfPresent(path(of: Self.updateTimeFile), limit: 64) else { return nil }
    guard let line = text.split(separator: "\n").first, let seconds = Int64(line) else {
      throw HostError(
        "use", displayPath(of: Self.updateTimeFile), detail: "it holds no number of seconds",
        hint: "write the output of 'date +%s' into it")
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
    }
  }
}

extension KeyStore {
  /// Writes new keys into a store that does not exist: all files at once, private keys with mode 0600 in a directory
  /// with mode 0700 from the first byte.
  ///
  /// What was written is read back before it takes its place.
  package func create(_ hierarchy: KeyHierarchy, on host: Host) throws {
    try host.files.makeCompleteDirectory(directory) { temporary in
      for role in KeyRole.allCases {
        let identity = hierarchy[role]
        let key = "\(temporary)/\(Self.keyFile(of: role))"
        try host.files.replaceFile(key, mode: 0o600, content: try identity.key.serializedPEM())
        let certificate = "\(temporary)/\(Self.certificateFile(of: role))"
        try host.files.replaceFile(certificate, mode: 0o644, content: try identity.certificate.serializedPEM())
      }
      let owner = Array("\(hierarchy.owner)\n".utf8)
      try host.files.replaceFile("\(temporary)/\(Self.ownerFile)", mode: 0o644, content: owner)
      let written = try KeyStore(of: host, directory: temporary).hierarchy(at: host.now())
      guard
        KeyRole.allCases.allSatisfy({ written[$0].certificate == hierarchy[$0].certificate }),
        written.owner == hierarchy.owner
      else {
        throw HostError(
          "create", displayPath, detail: "what was read back differs from what was written",
          hint: "memory or storage of this machine may be failing")
      }
    }
  }
}
