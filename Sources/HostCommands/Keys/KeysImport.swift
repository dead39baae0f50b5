// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
package import HostSystem
package import Messages
package import SigningKeys

/// `pve-sb-uki keys import`: takes over keys that other tools made.
///
/// The originals stay where they are.
package struct KeysImport: Sendable {
  /// A directory of another tool, a path of the user; nil for single files.
  package var directory: String?
  /// Files of single roles, paths of the user; they take precedence over the directory.
  package var sources: [KeyRole: KeyLayout.Source] = [:]
  /// Owner GUID; nil for that in the directory, or a random one.
  package var owner: String?

  package init() {}

  package struct Result: Sendable {
    package var list: KeysList.Result
    /// The files with private keys that were read.
    package var originals: [String]
    package var notes: [Message]
  }

  /// Maximum size of a file with a GUID in bytes.
  private static let textLimit = 4096

  /// Checks all keys, then writes them: all or none, and only if the host has none.
  ///
  /// Throws `Failure` for a layout that is unknown or incomplete, for keys that do not match or do not suit, and if keys
  /// exist; `HostError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let store = try KeyStore(configuredOn: host)
    try store.requireEmpty(in: host.files)
    let layout = try directory.map { try KeyLayout(in: $0, of: host.userFiles) }
    let sources = (layout?.sources ?? [:]).merging(self.sources) { $1 }
    try requireWhole(sources, on: host)
    var set = KeySet(pairs: [:], owner: try ownerGUID(layout, on: host))
    for role in KeyRole.allCases {
      guard let source = sources[role] else { continue }
      set.pairs[role] = try KeySet.Pair(importing: source, as: role, from: host)
    }
    if let path = layout?.updateTimeFile {
      set.lastUpdate = EFITime.unixSeconds(parsing: try firstLine(of: path, on: host))
    }
    try store.install(set, on: host)
    let originals = KeyRole.allCases.compactMap { sources[$0]?.key }
    return Result(list: try KeysList().run(on: host), originals: originals, notes: notes(originals, store, on: host))
  }

  private func notes(_ originals: [String], _ store: KeyStore, on host: Host) -> [Message] {
    let others = originals.filter { host.files.display($0) != store.displayPath(of: String(PathName($0).fileName)) }
    guard !others.isEmpty else { return [] }
    return [
      """
      the private keys are still in \(others.joined(separator: ", ")), too; delete these files once you have a backup
      """
    ]
  }

  /// Throws `Failure` unless there are keys for all three roles, or one that signs.
  private func requireWhole(_ sources: [KeyRole: KeyLayout.Source], on host: Host) throws {
    let place = directory ?? "the specified files"
    guard !sources.isEmpty else {
      if let directory, try !host.userFiles.isDirectory(directory) {
        throw Failure("\(directory) is not a directory", hint: "specify single files with --db and --db-cert")
      }
      throw Failure(
        "\(place) has no keys that pve-sb-uki recognizes",
        hint: "specify the files with --pk, --pk-cert, --kek, --kek-cert, --db and --db-cert")
    }
    guard let signing = sources[.signatureDatabase], signing.key != nil else {
      throw Failure(
        "\(place) has no private key for db, which signs UKIs", hint: "specify it with --db and --db-cert")
    }
    let missing = KeyRole.allCases.filter { sources[$0] == nil }
    guard missing.count != 1 else {
      throw Failure(
        "\(place) is incomplete: missing \(missing[0].name)",
        hint: "specify it with --\(missing[0].name.lowercased()) and --\(missing[0].name.lowercased())-cert")
    }
  }

  private func ownerGUID(_ layout: KeyLayout?, on host: Host) throws -> GUID {
    let text = try owner ?? layout?.ownerFile.map { try firstLine(of: $0, on: host) }
    guard let text else {
      guard let random = GUID(random: try host.randomBytes(16)) else { throw Failure("no random GUID") }
      return random
    }
    guard let guid = GUID(text) else {
      let name = owner == nil ? layout?.ownerFile ?? "GUID" : "--owner-guid"
      throw Failure(
        "\(name): '\(text)' is not a GUID", hint: "specify the owner's GUID with --owner-guid")
    }
    return guid
  }

  private func firstLine(of path: String, on host: Host) throws -> String {
    let text = String(decoding: try host.userFiles.readFile(path, limit: Self.textLimit), as: UTF8.self)
    return SettingsFile.trimmed(String(text.split(separator: "\n").first ?? ""))
  }
}
