// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
internal import Messages
internal import SigningKeys

/// `pve-sb-uki keys create`: creates PK, KEK and db, or the pair that signs alone, for a host that has none.
package struct KeysCreate: Sendable {
  /// RSA modulus in bits: 2048, 3072 or 4096.
  package var bits = 2048
  /// Prefix of the subjects' common names; nil for the host name and `Secure Boot`.
  package var commonName: String?
  /// Owner GUID of the entries in the firmware's databases; nil for a random one.
  package var owner: String?
  /// Whether existing keys are a success.
  package var acceptsExisting = false
  /// Whether to create only the pair that signs, for MOK or a build machine.
  package var isSigningPair = false
  /// Whether the certificate of the pair that signs is one of a certificate authority.
  package var isAuthority = false
  /// Whether to add PK and KEK to an existing pair that signs.
  package var completes = false
  /// Whether a passphrase protects the private keys.
  package var isProtected = false

  package init() {}

  package struct Result: Sendable {
    /// False if the keys existed already.
    package var wasCreated: Bool
    package var list: KeysList.Result
  }

  /// Maximum length of a common name in bytes (RFC 5280, ub-common-name).
  private static let commonNameLimit = 64
  private static let roleSuffix = 4

  /// Creates the keys.
  ///
  /// Throws `Failure` if keys exist, even if only some do: they are never overwritten, and only a pair that signs is
  /// completed. Throws `HostError` or `CryptoError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let store = try KeyStore(configuredOn: host)
    let state = try store.state()
    if completes { return try complete(store, state, on: host) }
    switch state {
    case .absent: break
    case .complete where acceptsExisting, .signingPair where acceptsExisting:
      return Result(wasCreated: false, list: try KeysList().run(on: host))
    case .complete:
      throw Failure(
        "\(store.displayPath) already contains keys",
        hint: "list them with 'pve-sb-uki keys list', or move the directory away to start over")
    case .signingPair:
      throw Failure(
        "\(store.displayPath) already contains a signing key, without PK and KEK",
        hint: "add PK and KEK for it with 'pve-sb-uki keys create --complete', or move the directory away to start over"
      )
    case .partial(let present, let missing): throw incomplete(store, present: present, missing: missing, on: host)
    }
    try requireRoom(for: store, on: host)
    let template = try template(for: host)
    let passphrase = try passphrase(on: host)
    var identities: [KeyRole: SigningIdentity] = [:]
    for role in isSigningPair ? [KeyRole.signatureDatabase] : KeyRole.allCases {
      identities[role] = try template.identity(role, suffix: isSigningPair ? "MOK" : nil, on: host)
    }
    try store.install(
      KeySet(identities, owner: try ownerGUID(host), passphrase: passphrase), on: host)
    return try created(on: host)
  }

  private func created(on host: Host) throws -> Result {
    var list = try KeysList().run(on: host)
    if let warning = host.clockWarning { list.warnings.append(warning.note) }
    return Result(wasCreated: true, list: list)
  }

  private func template(for host: Host) throws -> KeyHierarchy.Template {
    var template = KeyHierarchy.Template(name: try name(for: host), bits: bits, owner: try ownerGUID(host))
    template.isAuthority = isAuthority
    return template
  }

  private func passphrase(on host: Host) throws -> Secret? {
    isProtected ? try NewPassphrase.choose("New passphrase for the keys: ", on: host) : nil
  }

  /// Adds PK and KEK, or the rest of them if an earlier run was interrupted.
  private func complete(_ store: KeyStore, _ state: KeyStore.State, on host: Host) throws -> Result {
    let names = try store.existingNames()
    let roles = [KeyRole.platformKey, .keyExchangeKey].filter { !names.contains(KeyStore.certificateFile(of: $0)) }
    switch state {
    case .absent: throw Failure("no keys in \(store.displayPath)", hint: "run 'pve-sb-uki keys create'")
    case .complete where acceptsExisting: return Result(wasCreated: false, list: try KeysList().run(on: host))
    case .complete: throw Failure("\(store.displayPath) already has PK, KEK and db", hint: "run 'pve-sb-uki keys list'")
    case .signingPair: break
    case .partial(let present, let missing):
      // A private key is written before its certificate.
      let files = roles.flatMap { [KeyStore.keyFile(of: $0), KeyStore.certificateFile(of: $0)] }
      guard !roles.isEmpty, Set(missing).isSubset(of: files) else {
        throw incomplete(store, present: present, missing: missing, on: host)
      }
    }
    let template = try template(for: host)
    let passphrase = try passphrase(on: host)
    for role in roles {
      let hasKey = names.contains(KeyStore.keyFile(of: role))
      let key = hasKey ? try store.privateKey(of: role) : nil
      let identity = try template.identity(role, key: key, on: host)
      let pem = hasKey ? nil : try KeySet.pem(of: identity, protectedBy: passphrase)
      try store.add(KeySet.Pair(certificate: identity.certificate, privateKey: pem), as: role, on: host)
    }
    return try created(on: host)
  }

  private func incomplete(_ store: KeyStore, present: [String], missing: [String], on host: Host) -> Failure {
    let isOnMedium = store.isSplit && (try? host.files.list(store.directory))?.isEmpty ?? true
    return Failure(
      """
      the keys in \(store.displayPath) are incomplete: missing \(missing.joined(separator: ", ")), present \
      \(present.joined(separator: ", "))
      """,
      hint: isOnMedium
        ? "if \(store.displayPrivatePath) has a complete set, run: pve-sb-uki keys import \(store.displayPrivatePath.shellWord)"
        : "restore the missing files from a backup, or move the directory away and create new keys")
  }

  private func requireRoom(for store: KeyStore, on host: Host) throws {
    guard let other = try host.files.list(store.directory)?.first else { return }
    throw Failure(
      "\(store.displayPath) contains \(other) but no keys",
      hint: "move that file away; the directory must be empty")
  }

  private func name(for host: Host) throws -> String {
    let room = Self.commonNameLimit - Self.roleSuffix
    guard let commonName else {
      let suffix = " Secure Boot"
      var name = host.hostName.isEmpty ? "localhost" : host.hostName
      while name.utf8.count > room - suffix.utf8.count { name.removeLast() }
      return name + suffix
    }
    guard !commonName.isEmpty, commonName.utf8.count <= room, commonName.unicodeScalars.allSatisfy({ $0.value >= 32 })
    else {
      throw Failure(
        "'\(commonName)' cannot be used in a certificate's name",
        hint: "use 1 to \(room) bytes of printable text; PK, KEK or db is added to it")
    }
    return commonName
  }

  private func ownerGUID(_ host: Host) throws -> GUID {
    guard let guid = try owner.map({ GUID($0) }) ?? GUID(random: try host.randomBytes(16)) else {
      throw Failure(
        "'\(owner ?? "")' is not a GUID",
        hint: "use a GUID such as 77fa9abd-0359-4d32-bd60-28f4e78f784b, or omit the option")
    }
    return guid
  }
}

/// The lock for changes to the keys.
enum KeysLock {
  static let path = "/run/pve-sb-uki/keys.lock"
}
