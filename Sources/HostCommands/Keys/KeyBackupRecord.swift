// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import HostSystem
internal import SigningKeys

/// The certificates whose private keys are in a backup: their SHA-256, one a line.
enum KeyBackupRecord {
  static let path = "/var/lib/pve-sb-uki/key-backups"
  private static let sizeLimit = 1 << 16
  private static let lineLimit = 100

  /// Empty if there was no backup, or the record cannot be read.
  static func digests(on host: Host) -> [String] {
    let text = (try? host.files.readTextIfPresent(path, limit: sizeLimit)) ?? nil
    return (text ?? "").split(separator: "\n").map { String($0) }
  }

  /// Throws `HostError`.
  static func add(_ certificates: [Certificate], on host: Host) throws {
    var lines = digests(on: host)
    for certificate in certificates {
      let digest = try certificate.fingerprint().hexadecimal
      if !lines.contains(digest) { lines.append(digest) }
    }
    let content = lines.suffix(lineLimit).map { "\($0)\n" }.joined()
    try host.files.makeDirectory(PathName(path).directory)
    try host.files.replaceFile(path, content: Array(content.utf8))
  }

  /// The roles whose private keys are in no backup, as far as this host has them; empty if its keys are incomplete.
  static func missing(_ store: KeyStore, on host: Host) throws -> [KeyRole] {
    if case .partial = try store.state() { return [] }
    let names = try store.existingNames()
    // The medium of the keys may be away.
    let isAway = try store.isSplit && !host.files.exists(store.path(of: KeyStore.keyFile(of: .signatureDatabase)))
    let known = Set(digests(on: host))
    return KeyRole.allCases.filter { role in
      guard names.contains(KeyStore.keyFile(of: role)) || isAway,
        names.contains(KeyStore.certificateFile(of: role)), let certificate = try? store.certificate(of: role),
        let digest = try? certificate.fingerprint().hexadecimal
      else { return false }
      return !known.contains(digest)
    }
  }
}
