// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import SigningKeys

/// `pve-sb-uki keys export`: writes the public parts for firmware menus, systemd-boot, MokManager and other tools.
///
/// Private keys are not exported.
package struct KeysExport: Sendable {
  /// Which files to write.
  package enum Purpose: String, CaseIterable, Sendable {
    /// The firmware's menu and systemd-boot.
    case menu = "menu"
    /// shim's MokManager, and tools that check signatures.
    case mok = "mok"
    /// The management controller of a server.
    case redfish = "redfish"
    case all = "all"
  }

  /// Output directory, created if it does not exist.
  package var directory = "."
  package var purpose = Purpose.all
  /// Whether to overwrite files with other content.
  package var overwrites = false
  /// Whether to write only the update that removes PK; see `removalFile`.
  package var isRemoval = false

  /// The update that removes PK, signed by PK: anyone who can write the variable can turn Secure Boot off with it.
  package static let removalFile = "noPK.auth"

  /// The file that says how to send the files for Redfish.
  package static let redfishInstructions = RedfishFiles.readme

  package init() {}

  package struct File: Sendable {
    package var path: String
    /// False if it already had that content.
    package var wasWritten: Bool
  }

  package struct Result: Sendable {
    package var files: [File]
    package var notes: [Message]
    /// Whether all of the firmware's lists can be replaced, rather than only a certificate added to db.
    package var hasOwner: Bool
  }

  private typealias Content = PublicParts.File

  /// Writes `.crt` (PEM), `.cer` and `.der` (DER), `.esl` and `.auth` for each role, and the payloads for Redfish; with
  /// `isRemoval`, only `removalFile`.
  ///
  /// The certificate for db is the one that signs UKIs. Without PK and KEK, only that certificate is exported.
  ///
  /// Each export has later time stamps than the one before, since firmware rejects an update that is not newer than the
  /// last. Only a directory with the last export is left unchanged. Throws `Failure` or `HostError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let configuration = try Configuration(of: host.files)
    if isRemoval { try requireOtherPlace(than: ESPSurvey(of: host, configuration), on: host) }
    let hasUpdates = isRemoval || purpose == .menu || purpose == .all
    let parts = try PublicParts(of: host, configuration, needsUpdates: hasUpdates)
    guard !isRemoval || parts.hierarchy != nil else {
      throw Failure(
        "\(parts.store.displayPath) has no PK",
        hint: "use the keys with which PK was enrolled, on the host that has them")
    }
    var files = try isRemoval ? [] : self.files(of: parts)
    if let hierarchy = parts.hierarchy {
      if let last = try parts.lastTime(), !overwrites, try holds(updates(by: hierarchy, at: last), host) {
        files += try updates(by: hierarchy, at: last)
      } else {
        let time = try parts.newTime(on: host)
        files += try updates(by: hierarchy, at: time)
        try requireNothingElse(than: files, host)
        try parts.record(time)
      }
    }
    try requireNothingElse(than: files, host)
    try host.userFiles.makeDirectory(directory)
    // One directory for all files, even if its name is given to another one in the meantime.
    let output = try host.userFiles.subtree(directory)
    let written = try files.map { name, content in
      File(path: path(of: name), wasWritten: try output.replaceFile("/\(name)", content: content))
    }
    return Result(files: written, notes: try notes(on: host, parts), hasOwner: parts.hasOwner)
  }

  /// The files other than updates.
  private func files(of parts: PublicParts) throws -> [Content] {
    switch purpose {
    case .menu: try parts.certificateFiles([".cer"]) + lists(parts, parts.roles)
    case .mok: try parts.certificateFiles([".crt", ".der"], [.signatureDatabase])
    case .redfish: try RedfishFiles.files(of: parts)
    case .all:
      try parts.roles.flatMap { try parts.certificateFiles([".crt", ".cer", ".der"], [$0]) + lists(parts, [$0]) }
        + RedfishFiles.files(of: parts)
    }
  }

  /// None without PK and KEK: the certificate can only be added to a list.
  private func lists(_ parts: PublicParts, _ roles: [KeyRole]) -> [Content] {
    parts.hierarchy.map { hierarchy in roles.map { ("\($0.name).esl", hierarchy.signatureList(for: $0)) } } ?? []
  }

  private func notes(on host: Host, _ parts: PublicParts) throws -> [Message] {
    let path = path(of: Self.removalFile)
    if isRemoval {
      return ["\(path) turns Secure Boot off on a machine with this PK; keep it off ESPs, and delete it after use"]
    }
    var notes: [Message] = []
    if !parts.hasOwner {
      notes.append("\(parts.store.displayPath) has no PK and KEK; exported only the certificate that signs UKIs")
    }
    if try host.userFiles.linkStatus(of: path) != nil {
      notes.append("\(path) of an earlier export turns Secure Boot off on a machine with this PK; delete it")
    }
    return notes
  }

  /// The updates with time stamp `time`, in seconds since 1970.
  private func updates(by hierarchy: KeyHierarchy, at time: Int64) throws -> [Content] {
    if isRemoval { return [(Self.removalFile, try hierarchy.platformKeyRemoval(at: time))] }
    return try KeyRole.allCases.map { ("\($0.name).auth", try hierarchy.enrolmentUpdate(for: $0, at: time)) }
  }

  /// Throws `Failure` if the directory is on an ESP, where anyone with access to the firmware's menu could use the
  /// file.
  private func requireOtherPlace(than survey: ESPSurvey, on host: Host) throws {
    for esp in survey.esps where try esp.contains(directory, in: host.userFiles, of: host) {
      throw Failure(
        "\(directory) is on the ESP \(esp.name); \(Self.removalFile) there would let others turn Secure Boot off",
        hint: "export to a directory that only root can read")
    }
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
