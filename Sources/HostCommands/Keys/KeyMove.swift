// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem

/// The record of a move of private keys that has not ended: from where, and to where.
struct KeyMove: Hashable {
  static let path = "/var/lib/pve-sb-uki/key-move"
  private static let sizeLimit = 16 << 10

  var source: String
  var target: String

  /// Nil if no move was interrupted.
  ///
  /// Throws `HostError`.
  static func unfinished(on host: Host) throws -> KeyMove? {
    let lines = try host.files.readTextIfPresent(path, limit: sizeLimit)?.split(separator: "\n") ?? []
    guard lines.count == 2 else { return nil }
    return KeyMove(source: String(lines[0]), target: String(lines[1]))
  }

  /// Throws `HostError`.
  func record(on host: Host) throws {
    let path = PathName(Self.path)
    try host.files.makeDirectory(path.directory)
    try host.files.removeAbandoned(in: path.directory, for: String(path.fileName))
    try host.files.replaceFile(Self.path, mode: 0o600, content: Array("\(source)\n\(target)\n".utf8))
  }

  /// Throws `HostError`.
  static func end(on host: Host) throws { try host.files.remove(path) }
}
