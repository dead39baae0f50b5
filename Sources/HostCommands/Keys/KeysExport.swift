// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import EFIData
package import HostSystem
package import Messages
internal import SigningKeys

/// `pve-sb-uki keys export`: writes the public parts for firmware menus, systemd-boot, MokManager and other tools.
///
/// Private keys are not exported.
package struct KeysExport: Sendable {
  /// Output directory, created if it does not exist.
  package var directory = "."
  /// Whether to overwrite files with other content.
  package var overwrites = false
  /// Whether to write only the update that removes PK; see `removalFile`.
  package var isRemoval = false

  /// The update that removes PK, signed by PK: anyone who can write the variable can turn Secure Boot off with it.
  package static let removalFile = "noPK.auth"

  package init() {}

  package struct File: Sendable {
    package var path: String
    /// False if it already had that content.
    package var wasWritten: Bool
  }

  package struct Result: Sendable {
    package var files: [File]
    package var notes: [Message]
  }

  /// Writes `.crt` (PEM), `.cer` and `.der` (DER), `.esl` and `.auth` for each role; with `isRemoval`, only
  /// `removalFile`.
  ///
  /// The certificate for db is the one that signs UKIs. If `Certificate=` names it and there are no keys of an owner,
  /// only that certificate is exported.
  ///
  /// Each export has later time stamps than the one before, since firmware rejects an update that is not newer than the
  /// last. Only a directory with the last export is left unchanged. Throws `Failure` or `HostError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let store = try KeyStore(configuredOn: host)
    let configuration = try Configuration(of: host.files)
    if isRemoval { try requireOtherPlace(than: ESPSurvey(of: host, configuration), on: host) }
    guard let hierarchy = try load(store, configuration, host) else {
      let certificate = try configuration.signingKey.loadCertificate(from: host)
      return try write(
        try Self.certificateFiles(of: certificate, .signatureDatabase),
        notes: ["\(store.displayPath) has no PK and KEK; exported only the certificate that signs UKIs"], host)
    }
    let last = try store.lastUpdateTime()
    var files = try isRemoval ? [] : publicParts(of: hierarchy)
    // The record is one second later than the time stamps: earlier versions used that time for `removalFile`.
    if let last, !overwrites, try holds(updates(by: hierarchy, at: last - 1), host) {
      files += try updates(by: hierarchy, at: last - 1)
    } else {
      let time = max(try host.buildTime ?? host.plausibleTime, (last ?? 0) + 1)
      guard EFITime.unixRange.contains(time + 1) else {
        throw Failure(
          "cannot sign updates: no time before the end of the year 9999 is later than the last update",
          hint: "correct this host's clock and \(store.updateTimePath)")
      }
      files += try updates(by: hierarchy, at: time)
      try requireNothingElse(than: files, host)
      try store.recordUpdateTime(time + 1)
    }
    return try write(files, notes: try notes(on: host), host)
  }

  private typealias Content = (name: String, bytes: [UInt8])

  private func write(_ files: [Content], notes: [Message], _ host: Host) throws -> Result {
    try requireNothingElse(than: files, host)
    try host.userFiles.makeDirectory(directory)
    // One directory for all files, even if its name is given to another one in the meantime.
    let output = try host.userFiles.subtree(directory)
    return Result(
      files: try files.map { name, content in
        File(path: path(of: name), wasWritten: try output.replaceFile("/\(name)", content: content))
      }, notes: notes)
  }

  private func notes(on host: Host) throws -> [Message] {
    let path = path(of: Self.removalFile)
    if isRemoval {
      return ["\(path) turns Secure Boot off on a machine with this PK; keep it off ESPs, and delete it after use"]
    }
    guard try host.userFiles.linkStatus(of: path) != nil else { return [] }
    return ["\(path) of an earlier export turns Secure Boot off on a machine with this PK; delete it"]
  }

  /// Nil if there are no PK and KEK, but a certificate that signs.
  private func load(_ store: KeyStore, _ configuration: Configuration, _ host: Host) throws -> KeyHierarchy? {
    switch try store.state() {
    case .absent:
      if !isRemoval, configuration.certificate != Configuration.defaultCertificate { return nil }
      throw Failure("no keys in \(store.displayPath)", hint: "run 'pve-sb-uki keys create'")
    case .signingPair:
      guard isRemoval else { return nil }
      throw Failure(
        "\(store.displayPath) has no PK", hint: "use the keys with which PK was enrolled, on the host that has them")
    case .complete(let offline) where !offline.isEmpty:
      let names = offline.map(KeyStore.keyFile(of:)).joined(separator: ", ")
      throw Failure(
        "cannot sign updates: \(names) missing in \(store.displayPrivatePath)",
        hint: store.isSplit
          ? "connect and mount the medium with \(store.displayPrivatePath), and try again"
          : "copy the private keys back for the export, and remove them again afterwards")
    default:
      return try describing(store.displayPath) { try store.hierarchy() }
        .enrolling(try configuration.signingKey.loadCertificate(from: host))
    }
  }

  private func publicParts(of hierarchy: KeyHierarchy) throws -> [Content] {
    try KeyRole.allCases.flatMap { role in
      try Self.certificateFiles(of: hierarchy.certificate(of: role), role)
        + [("\(role.name).esl", hierarchy.signatureList(for: role))]
    }
  }

  private static func certificateFiles(of certificate: Certificate, _ role: KeyRole) throws -> [Content] {
    [
      ("\(role.name).crt", try certificate.serializedPEM()), ("\(role.name).cer", certificate.der),
      ("\(role.name).der", certificate.der),
    ]
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
