// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import RepositoryTrust

/// A package that is open to be repacked: its layout, its control archive and its digest.
struct PackageInput {
  let path: String
  let file: File
  let layout: DebLayout
  let control: ControlArchive
  let identity: ControlStanza.Identity
  let sha256: [UInt8]

  /// Throws `HostError` if it cannot be read, `ParseError` or `CompressionError` if it is no package.
  init(_ path: String, from files: FileSystem) throws {
    self.path = path
    file = try files.openFile(path)
    layout = try DebLayout(parsing: file)
    try layout.control.requireOneStream(in: file, limit: ControlArchive.limit)
    try layout.data.requireOneStream(in: file, limit: DataLimits.text(of: layout.data.member.contentRange.count))
    var text: [UInt8] = []
    try layout.control.forEachChunk(of: file, limit: ControlArchive.limit) { text.append(contentsOf: $0) }
    control = try ControlArchive(text: text)
    identity = try control.stanza.identity()
    var digest = try Digest()
    try TransferBuffer().forEachChunk(of: file, in: 0..<file.count) { try digest.update($0) }
    sha256 = try digest.finish()
  }

  /// The name without directories.
  var fileName: String {
    String(decoding: path.utf8.reversed().prefix { $0 != UInt8(ascii: "/") }.reversed(), as: UTF8.self)
  }

  func trustIdentity() -> DebIdentity {
    DebIdentity(
      path: path, sha256: sha256, package: identity.package, version: identity.version,
      architecture: identity.architecture)
  }
}
