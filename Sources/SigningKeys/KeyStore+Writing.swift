// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
internal import Messages

extension KeyStore {
  /// Throws `Failure` if the store has any file, and `HostError` if it cannot be read.
  package func requireEmpty(in files: FileSystem) throws {
    guard try files.list(directory)?.isEmpty ?? true else {
      throw Failure(
        "\(displayPath) is not empty; existing keys are never overwritten",
        hint: "list the keys with 'pve-sb-uki keys list', or move the directory away first")
    }
  }

  /// Puts keys into the store, which must be empty: all files at once.
  ///
  /// Private keys have mode 0600 in a directory with mode 0700 from the first byte. The files are read back before the
  /// directory gets its name.
  ///
  /// If the private keys have a directory of their own, that must exist; it gets a complete set, and files in it with
  /// the same content are kept. After an error, the new ones are removed. Throws `Failure` if it has other keys.
  package func install(_ set: KeySet, on host: Host) throws { try install(files: try set.files(), on: host) }

  /// As above, for files that were checked.
  package func install(files: [KeySet.File], on host: Host) throws {
    var copied: [String] = []
    do {
      if isSplit { try installOnMedium(files, &copied, on: host) }
      try host.files.makeCompleteDirectory(directory) { temporary in
        for file in files where !(isSplit && file.isPrivateKey) {
          try Self.write(file, to: PathName.join(temporary, file.name), on: host)
        }
      }
    } catch {
      for path in copied { _ = try? host.files.remove(path) }
      throw error
    }
  }

  /// Adds the pair of a role to the store.
  ///
  /// Nothing is overwritten: throws `Failure` if another file has the name of one of the two.
  package func add(_ pair: KeySet.Pair, as role: KeyRole, on host: Host) throws {
    let set = KeySet(pairs: [role: pair], owner: try owner())
    for file in try set.files() where file.name != Self.ownerFile {
      try Self.writeNew(file, to: path(of: file.name), on: host)
      if isSplit, !file.isPrivateKey {
        try Self.writeNew(file, to: PathName.join(privateDirectory, file.name), on: host)
      }
    }
  }

  private func installOnMedium(_ files: [KeySet.File], _ copied: inout [String], on host: Host) throws {
    guard try host.files.isDirectory(privateDirectory) else {
      throw Failure(
        "\(displayPrivatePath) does not exist", hint: "connect and mount the medium of KeyDirectory=, and try again")
    }
    for file in files { try Self.requireNoOther(file, at: PathName.join(privateDirectory, file.name), on: host) }
    for file in files {
      let path = PathName.join(privateDirectory, file.name)
      if try Self.writeNew(file, to: path, on: host) { copied.append(path) }
    }
  }

  /// Writes a file unless it exists with that content; returns whether it was written.
  ///
  /// Throws `Failure` if it exists with other content.
  @discardableResult
  package static func writeNew(_ file: KeySet.File, to path: String, on host: Host) throws -> Bool {
    if try requireNoOther(file, at: path, on: host) { return false }
    try write(file, to: path, on: host)
    return true
  }

  /// Whether the file exists with that content; throws `Failure` if it exists with other content, or as a link.
  @discardableResult
  package static func requireNoOther(_ file: KeySet.File, at path: String, on host: Host) throws -> Bool {
    guard let status = try host.files.linkStatus(of: path) else { return false }
    let isSame =
      try status.kind == .regular && status.size == file.content.count
      && host.files.readFile(path, limit: file.content.count) == file.content
    guard isSame else {
      throw Failure(
        "\(host.files.display(path)) exists with other content", hint: "move that file away, or use another directory")
    }
    return true
  }

  /// Writes a file and reads it back from the medium.
  private static func write(_ file: KeySet.File, to path: String, on host: Host) throws {
    try host.files.replaceFile(path, mode: file.mode) { written in
      guard try written.readToEnd(limit: file.content.count) == file.content else {
        throw HostError(
          "write", host.files.display(path), detail: "the file read back differs from the one written",
          hint: "check this machine's memory and storage")
      }
    } writing: {
      try $0.write(file.content)
    }
  }
}
