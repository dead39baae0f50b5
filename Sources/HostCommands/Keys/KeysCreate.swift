// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
internal import Messages
internal import SigningKeys

/// `pve-sb-uki keys create`: creates PK, KEK and db for a host that has none.
package struct KeysCreate: Sendable {
  /// RSA modulus in bits: 2048, 3072 or 4096.
  package var bits = 2048
  /// Prefix of the subjects' common names; nil for the host name and `Secure Boot`.
  package var commonName: String?
  /// Owner GUID of the entries in the firmware's databases; nil for a random one.
  package var owner: String?
  /// Whether existing keys are a success.
  package var acceptsExisting = false

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
  /// Throws `Failure` if keys exist, even if only some do: they are never overwritten or completed. Throws `HostError`
  /// or `CryptoError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let store = KeyStore(of: host)
    switch try store.state() {
    case .absent: break
    case .complete where acceptsExisting: return Result(wasCreated: false, list: try KeysList().run(on: host))
    case .complete:
      throw Failure(
        "\(store.displayPath) already contains keys",
        hint: "list them with 'pve-sb-uki keys list', or move the directory away to start over")
    case .partial(let present, let missing):
      throw Failure(
        """
        the keys in \(store.displayPath) are incomplete: missing \(missing.joined(separator: ", ")), present \
        \(present.joined(separator: ", "))
        """,
        hint: "restore the missing files from a backup, or move the directory away and create new keys")
    }
    try requireRoom(for: store, on: host)
    let template = KeyHierarchy.Template(name: try name(for: host), bits: bits, owner: try ownerGUID(host))
    try store.create(try KeyHierarchy(creating: template, on: host), on: host)
    var list = try KeysList().run(on: host)
    if let warning = host.clockWarning { list.warnings.append(warning.note) }
    return Result(wasCreated: true, list: list)
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
