// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import EFIData
package import HostSystem
internal import Messages
internal import SigningKeys

/// `pve-sb-uki keys export`: writes the public parts for firmware menus, systemd-boot, MokManager and other tools.
///
/// Private keys are not exported.
package struct KeysExport: Sendable {
  /// Output directory, created if it does not exist.
  package var directory = "."
  /// Whether to overwrite files with other content.
  package var overwrites = false

  package init() {}

  package struct File: Sendable {
    package var path: String
    /// False if it already had that content.
    package var wasWritten: Bool
  }

  package struct Result: Sendable {
    package var files: [File]
  }

  /// Writes `.crt` (PEM), `.cer` and `.der` (DER), `.esl` and `.auth` for each role, and `noPK.auth`, which removes PK.
  ///
  /// Each export has later time stamps than the one before, since firmware rejects an update that is not newer than the
  /// last. Only a directory with the last export is left unchanged. Throws `Failure` or `HostError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let store = KeyStore(of: host)
    let hierarchy = try load(store, host)
    let last = try store.lastUpdateTime()
    var files = try publicParts(of: hierarchy)
    if let last, !overwrites, try holds(updates(by: hierarchy, at: last - 1), host) {
      files += try updates(by: hierarchy, at: last - 1)
    } else {
      let time = max(try host.buildTime ?? host.now(), (last ?? 0) + 1)
      guard EFITime.unixRange.contains(time + 1) else {
        throw Failure(
          "cannot sign updates: no time before the end of the year 9999 is later than the last update",
          hint: "correct this host's clock and \(store.updateTimePath)")
      }
      files += try updates(by: hierarchy, at: time)
      try requireNothingElse(than: files, host)
      try store.recordUpdateTime(time + 1)
    }
    try requireNothingElse(than: files, host)
    try host.userFiles.makeDirectory(directory)
    return Result(
      files: try files.map { name, content in
        let path = path(of: name)
        return File(path: path, wasWritten: try host.userFiles.replaceFile(path, content: content))
      })
  }

  private typealias Content = (name: String, bytes: [UInt8])

  private func load(_ store: KeyStore, _ host: Host) throws -> KeyHierarchy {
    switch try store.state() {
    case .absent:
      throw Failure("no keys in \(store.displayPath)", hint: "run 'pve-sb-uki keys create'")
    case .complete(let offline) where !offline.isEmpty:
      let names = offline.map(KeyStore.keyFile(of:)).joined(separator: ", ")
      throw Failure(
        "cannot sign updates: \(names) missing in \(store.displayPath)",
        hint: "copy the private keys back for the export, and remove them again afterwards")
    default: return try describing(store.displayPath) { try store.hierarchy(at: host.now()) }
    }
  }

  private func publicParts(of hierarchy: KeyHierarchy) throws -> [Content] {
    try KeyRole.allCases.flatMap { role in
      let certificate = hierarchy[role].certificate
      return [
        ("\(role.name).crt", try certificate.serializedPEM()), ("\(role.name).cer", certificate.der),
        ("\(role.name).der", certificate.der), ("\(role.name).esl", hierarchy.signatureList(for: role)),
      ]
    }
  }

  /// The updates with time stamp `time`, in seconds since 1970; the removal of PK is one second later than its
  /// enrolment.
  private func updates(by hierarchy: KeyHierarchy, at time: Int64) throws -> [Content] {
    try KeyRole.allCases.map { ("\($0.name).auth", try hierarchy.enrolmentUpdate(for: $0, at: time)) }
      + [("noPK.auth", try hierarchy.platformKeyRemoval(at: time + 1))]
  }

  /// Whether at least one of the files exists, and all that exist have the given content.
  private func holds(_ files: [Content], _ host: Host) throws -> Bool {
    let found = try files.compactMap { file in try content(of: file, host).map { $0 == file.bytes } }
    return !found.isEmpty && found.allSatisfy { $0 }
  }

  private func requireNothingElse(than files: [Content], _ host: Host) throws {
    guard !overwrites else { return }
    for file in files {
      guard let old = try content(of: file, host), old != file.bytes else { continue }
      throw Failure(
        "\(path(of: file.name)) exists with other content", hint: "export to another directory, or use --force")
    }
  }

  /// The content of the file, empty if its size differs; nil if it does not exist.
  private func content(of file: Content, _ host: Host) throws -> [UInt8]? {
    let path = path(of: file.name)
    guard try host.userFiles.linkStatus(of: path) != nil else { return nil }
    let existing = try host.userFiles.openFile(path)
    guard existing.count == file.bytes.count else { return [] }
    return try existing.readToEnd(limit: file.bytes.count)
  }

  private func path(of name: String) -> String {
    directory == "." ? name : directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
  }
}
