// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import EFIData
package import HostSystem
package import Messages
internal import SecureBoot
internal import SigningKeys

/// `pve-sb-uki keys list --firmware`: the keys that firmware and shim know; needs no keys on the host.
package struct FirmwareKeyList: Sendable {
  /// A directory with EFI variables; nil for those of the host.
  package var variables: String?

  package init() {}

  package struct Certificate: Sendable {
    package var subject: String
    /// SHA-256 of the certificate, in hexadecimal.
    package var fingerprint: String
    /// The GUID of the agent that added it.
    package var owner: String
    /// The name of that agent; nil if it is unknown.
    package var ownerName: String?
    /// End of the validity; nil if the certificate has none that can be read.
    package var notAfter: String?
    /// Whether it is a certificate of this host's keys.
    package var isOwn: Bool
    /// Whether its private half is public, so that anyone can sign with it.
    package var isPublic: Bool
  }

  package struct List: Sendable {
    /// Name of the variable; that of shim's list, without its suffix RT.
    package var name: String
    package var isPresent: Bool
    package var certificates: [Certificate] = []
    /// How many entries of each other type it has, such as `SHA-256`, sorted by type.
    package var digests: [(type: String, count: Int)] = []
    /// Why parts of it cannot be read.
    package var damage: [Message] = []
  }

  package struct Result: Sendable {
    /// Nil if the firmware does not say.
    package var secureBoot: Bool?
    package var setupMode: Bool?
    package var lists: [List]
  }

  /// Reads all lists, as far as they can be read.
  ///
  /// Throws `Failure` if there are no EFI variables, `HostError` if one cannot be read.
  package func run(on host: Host) throws -> Result {
    let host = try variables.map { try host.usingVariables(in: $0) } ?? host
    let store = host.variables
    guard try store.isPresent else {
      throw Failure(
        "this machine has no EFI variables", hint: "specify a copy of them with --efivars, or boot in UEFI mode")
    }
    let database = try TrustDatabase(readingFrom: store)
    let certificate = (try? Configuration(of: host.files)).flatMap { try? $0.signingKey.loadCertificate(from: host) }
    let reader = Reader(
      own: OwnKeyFiles(of: host, certificate: certificate).certificates, owner: try? KeyStore(of: host).owner())
    var lists: [List] = []
    for variable in Self.variables {
      let content =
        variable.isShimMirror
        ? try TrustDatabase.wholeShimList(variable.name, store) : try Self.data(of: variable.name, store)
      lists.append(reader.list(named: variable.shown, content))
    }
    return Result(secureBoot: database.secureBootEnabled, setupMode: database.setupMode, lists: lists)
  }

  private static func ofShim(_ name: String) -> EFIVariableName {
    EFIVariableName(name: name, vendor: EFIVariableName.shimVendor)
  }

  /// In the order of the screen.
  ///
  /// shim publishes copies of its lists, and more of them in a table in memory.
  private static let variables: [(name: EFIVariableName, shown: String, isShimMirror: Bool)] = [
    (.platformKey, "PK", false), (.keyExchangeKey, "KEK", false), (.signatureDatabase, "db", false),
    (.forbiddenDatabase, "dbx", false), (.timestampDatabase, "dbt", false),
    (.machineOwnerKeys, "MokList", true), (.forbiddenMachineOwnerKeys, "MokListX", true),
    (.requestedMachineOwnerKeys, "MokNew", false), (ofShim("MokDel"), "MokDel", false),
    (ofShim("MokXNew"), "MokXNew", false), (ofShim("MokXDel"), "MokXDel", false),
  ]

  private static func data(of variable: EFIVariableName, _ store: EFIVariableStore) throws -> [UInt8]? {
    guard let file = try store.read(variable.fileName) else { return nil }
    // A file without even the attributes is a damaged list, not a missing one.
    return (try? EFIVariableContent(parsing: file).data) ?? file
  }
}

extension FirmwareKeyList {
  /// Describes the content of lists.
  private struct Reader {
    let own: Set<Cryptography.Certificate>
    /// The owner GUID of this host's keys; nil if it has none.
    let owner: GUID?

    func list(named name: String, _ content: [UInt8]?) -> List {
      var list = List(name: name, isPresent: content != nil)
      guard let content else { return list }
      let (database, defects) = SignatureDatabase.readable(in: content)
      list.damage = defects.map { Message($0) }
      var unreadable = 0
      for entry in database.signatures(of: .x509) {
        guard let certificate = try? Cryptography.Certificate(parsingPrefixOf: entry.data) else {
          unreadable += 1
          continue
        }
        list.certificates.append(describe(certificate, entry.owner))
      }
      if unreadable > 0 { list.damage.append("certificates that cannot be read: \(unreadable)") }
      var counts: [String: Int] = [:]
      for other in database.lists where other.type != .x509 {
        counts[Self.names[other.type] ?? "\(other.type.guid)", default: 0] += other.signatures.count
      }
      list.digests = counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      return list
    }

    private func describe(_ certificate: Cryptography.Certificate, _ agent: GUID) -> Certificate {
      Certificate(
        subject: certificate.displayName, fingerprint: (try? certificate.fingerprint())?.hexadecimal ?? "",
        owner: agent.description, ownerName: agent == owner ? "this host" : Self.agents[agent.description],
        notAfter: certificate.notAfter.map { CalendarDate(seconds: $0).description },
        isOwn: own.contains(certificate), isPublic: PlatformKeys.isPublic(certificate))
    }

    private static let names: [SignatureType: String] = [
      .sha1: "SHA-1", .sha256: "SHA-256", .sha384: "SHA-384", .sha512: "SHA-512",
      .x509SHA256: "certificate SHA-256", .x509SHA384: "certificate SHA-384", .x509SHA512: "certificate SHA-512",
    ]

    /// Owners of entries that are the same on all machines.
    private static let agents = [
      "77fa9abd-0359-4d32-bd60-28f4e78f784b": "Microsoft",
      "605dab50-e046-4300-abb6-3dd810dd8b23": "shim",
      "f5a96b31-dba0-4faa-a42a-7a0c9832768e": "HPE",
      "2879c886-57ee-45cc-b126-f92f24f906b9": "SUSE",
      "70564dce-9afc-4ee3-85fc-949649d7e45c": "Dell",
      "6dc40ae4-2ee8-9c4c-a314-0fc7b2008710": "Canonical",
      "a0baa8a3-041d-48a8-bc87-c36d121b5e3d": "OVMF",
    ]
  }
}
