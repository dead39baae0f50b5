// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages
internal import SigningKeys

/// The files of a key store in a tar archive, with their digests in `SHA256SUMS`.
struct KeyArchive {
  /// The content by name, without the digests.
  let files: [String: [UInt8]]

  /// As sha256sum(1) reads it.
  static let sumsFile = "SHA256SUMS"
  private static let sizeLimit = 64 << 10
  /// Every name that a store can have, private keys first.
  static let names =
    KeyRole.allCases.map(KeyStore.keyFile(of:)) + KeyRole.allCases.map(KeyStore.certificateFile(of:))
    + [KeyStore.ownerFile, KeyStore.updateTimeFile]

  init(_ files: [String: [UInt8]]) { self.files = files }

  /// The files that exist in a store.
  init(of store: KeyStore, on host: Host) throws {
    var files: [String: [UInt8]] = [:]
    for name in Self.names {
      files[name] = try host.files.readFileIfPresent(store.path(of: name), limit: Self.sizeLimit)
    }
    self.files = files
  }

  /// The archive, whose files have the modification time `time`, in seconds since 1970.
  func serialize(at time: Int64) throws -> [UInt8] {
    var bytes: [UInt8] = []
    func add(_ name: String, _ content: [UInt8]) {
      let path = ArchivePath(normalizing: name.utf8)
      bytes += TarHeader.file(path, mode: Int(Self.mode(of: name)), size: content.count, modified: Int(time))
      bytes += content + TarHeader.fill(after: content.count)
    }
    let present = Self.names.filter { files[$0] != nil }
    for name in present { add(name, files[name] ?? []) }
    let sums = try present.map { "\(try Digest.of(files[$0] ?? []).hexadecimal)  \($0)\n" }
    add(Self.sumsFile, Array(sums.joined().utf8))
    // The end of an archive is two empty blocks; tar reads ten kilobytes at once.
    return bytes + [UInt8](repeating: 0, count: 1024)
  }

  /// Reads an archive; `name` is the file for messages.
  ///
  /// Throws `Failure` for anything that `serialize` does not write, `ParseError` for a damaged archive.
  init(parsing bytes: [UInt8], named name: String) throws {
    var found: [String: [UInt8]] = [:]
    var current: String?
    var limits = TarLimits()
    limits.entries = Self.names.count + 1
    limits.extensions = 0
    var reader = TarReader(limits: limits)
    try bytes.withUnsafeBytes { buffer in
      try reader.feed(buffer) { event in
        switch event {
        case .entry(let entry):
          let member = String(decoding: entry.path.bytes, as: UTF8.self)
          guard entry.kind == .file, Self.names.contains(member) || member == Self.sumsFile, found[member] == nil,
            entry.size <= Self.sizeLimit
          else {
            throw Failure("\(name) contains '\(entry.path)', which is not a file of a backup", hint: Self.hint)
          }
          found[member] = []
          current = member
        case .content(let piece): if let current { found[current]? += piece }
        case .endOfEntry, .endOfArchive: current = nil
        }
      }
    }
    try reader.finish()
    let sums = String(decoding: found.removeValue(forKey: Self.sumsFile) ?? [], as: UTF8.self)
    let expected = Set(sums.split(separator: "\n").map { String($0) })
    let actual = Set(try found.map { "\(try Digest.of($1).hexadecimal)  \($0)" })
    guard !found.isEmpty, expected == actual else {
      throw Failure("\(name): its content does not match its digests", hint: Self.hint)
    }
    files = found
  }

  /// The files to write to a store.
  var storeFiles: [KeySet.File] {
    Self.names.compactMap { name in
      files[name].map {
        KeySet.File(
          name: name, mode: Self.mode(of: name), content: $0, isPrivateKey: Self.privateKeys.contains(name))
      }
    }
  }

  private static let hint: Message = "use a file that 'pve-sb-uki keys backup' has written, or another copy of it"
  private static let privateKeys = Set(KeyRole.allCases.map(KeyStore.keyFile(of:)))

  private static func mode(of name: String) -> UInt32 {
    privateKeys.contains(name) || name == KeyStore.updateTimeFile ? 0o600 : 0o644
  }
}
