// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import Messages
internal import Reconcile
internal import SigningKeys

/// `pve-sb-uki keys move`: moves the private keys to another directory, such as on an encrypted USB stick, or back.
///
/// Certificates, GUID and the record of updates stay in `/etc/pve-sb-uki/keys`; the new directory gets copies, so that it
/// is a complete set. At every moment the directory in `KeyDirectory=` has all private keys.
package struct KeysMove: Sendable {
  /// The new directory, a path on the host.
  package var directory: String

  package init(to directory: String) { self.directory = directory }

  package struct Result: Sendable {
    /// The old and the new directory of the private keys.
    package var source: String
    package var target: String
    /// The names of the private keys that were moved; empty if they were there already.
    package var names: [String]
    package var warnings: [Message]
    package var notes: [Message]
  }

  /// Maximum size of a key file in bytes.
  private static let sizeLimit = 1 << 20
  /// How long to wait for `apply` to end, in seconds.
  private static let lockTimeout = 600

  /// Copies, reads back, proves a signature with the copy, changes the setting, and only then removes the old files.
  ///
  /// An interrupted move continues where it was. Throws `Failure` that says which keys are in use; `HostError`.
  package func run(on host: Host) throws -> Result {
    let lock = try host.files.lock(KeysLock.path)
    defer { withExtendedLifetime(lock) {} }
    let target = try Self.judged(directory)
    let configuration = try SettingsSurvey(of: host.files).configuration(of: "KeyDirectory", "Key")
    let source = try source(for: target, configuration, on: host)
    let store = KeyStore(of: host, privateDirectory: source)
    try requirePublicParts(of: store, on: host)
    guard source != target else {
      return Result(source: source, target: target, names: [], warnings: warnings(target, on: host), notes: [])
    }
    try requireSuitable(target, on: host)
    try requireSettable(on: host)
    let names = try privateKeys(in: source, or: target, on: host)
    try prove(names, in: source, store, on: host)
    let files = try filesToCopy(names, from: source, store, on: host)
    for file in files { try KeyStore.requireNoOther(file, at: PathName.join(target, file.name), on: host) }
    do {
      try KeyMove(source: source, target: target).record(on: host)
      try copy(files, to: target, on: host)
      try proveCopy(names, in: target, store, on: host)
      try set(target, configuration, from: source, on: host)
      try removeOld(names, from: source, target, on: host)
      try KeyMove.end(on: host)
    } catch {
      throw failure(error, target, on: host)
    }
    return Result(
      source: source, target: target, names: names, warnings: warnings(target, on: host),
      notes: try notes(source, target, configuration, on: host))
  }

  private static func judged(_ directory: String) throws -> String {
    do {
      let setting = try Setting.known("KeyDirectory")
      guard !directory.isEmpty, directory.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
        throw Failure("'\(directory)' is not the absolute path of a directory")
      }
      return try setting.value(of: directory, path: Configuration.path)
    } catch {
      throw Failure(
        "'\(directory)' is not the absolute path of a directory",
        hint: "use a path such as /media/keys, without '.' and '..'")
    }
  }

  /// Where the private keys are now.
  private func source(for target: String, _ configuration: Configuration, on host: Host) throws -> String {
    guard let move = try KeyMove.unfinished(on: host) else {
      // The setting may have been changed by hand, and the keys copied.
      let standard = KeyStore.standardDirectory
      let isLeft = try target != standard && configuration.keyDirectory == target && hasKeys(standard, on: host)
      return isLeft ? standard : configuration.keyDirectory
    }
    if move.target == target { return move.source }
    guard configuration.keyDirectory != move.target else {
      throw Failure(
        "an earlier move of the private keys to \(move.target) is unfinished",
        hint: "finish it with 'pve-sb-uki keys move \(move.target.shellWord)'")
    }
    // Nothing uses those copies; the keys in use are complete.
    return configuration.keyDirectory
  }

  private func hasKeys(_ directory: String, on host: Host) throws -> Bool {
    try KeyRole.allCases.contains { try host.files.exists(PathName.join(directory, KeyStore.keyFile(of: $0))) }
  }

  // MARK: Checks before the first change

  private func requirePublicParts(of store: KeyStore, on host: Host) throws {
    guard try host.files.exists(KeyStore.standardCertificatePath),
      try store.existingNames().contains(KeyStore.ownerFile)
    else {
      throw Failure("no keys in \(store.displayPath)", hint: "run 'pve-sb-uki keys create'")
    }
  }

  private func requireSuitable(_ target: String, on host: Host) throws {
    let shown = host.files.display(target)
    for esp in try KeysBackup.survey(of: host).esps where try esp.contains(target, in: host.files, of: host) {
      throw Failure(
        "\(shown) is on the ESP \(esp.name), which anyone with the disk can read",
        hint: "use an encrypted file system")
    }
    switch try host.files.linkStatus(of: target)?.kind {
    case .directory: break
    case .symbolicLink: throw Failure("\(shown) is a symbolic link", hint: "specify the directory that it leads to")
    case nil where try host.files.isDirectory(PathName(target).directory): break
    case nil:
      throw Failure("\(shown) does not exist", hint: "mount the medium, or create the directory with mode 700")
    default: throw Failure("\(shown) is not a directory", hint: "specify a directory")
    }
    if let point = try unmounted(target, on: host) {
      throw Failure(
        "\(point) is in /etc/fstab, but not mounted: the keys would be below the mount point",
        hint: "run 'mount \(point.shellWord)' first")
    }
    if target != KeyStore.standardDirectory, target.hasPrefix(KeyStore.standardDirectory + "/") {
      throw Failure("\(shown) is inside \(KeyStore.standardDirectory)", hint: "specify another directory")
    }
  }

  /// The mount point of /etc/fstab that the directory belongs to, if nothing is mounted there.
  private func unmounted(_ target: String, on host: Host) throws -> String? {
    let mounted = Set(try host.files.mountPoints().map(\.path))
    let lines = try host.files.readTextIfPresent("/etc/fstab")?.split(separator: "\n") ?? []
    let points = lines.compactMap { line -> String? in
      let fields = line.split { $0 == " " || $0 == "\t" }
      guard fields.count > 2, !fields[0].hasPrefix("#"), fields[1] != "/" else { return nil }
      return String(fields[1])
    }
    return points.first { (target == $0 || target.hasPrefix($0 + "/")) && !mounted.contains($0) }
  }

  /// Throws `Failure` if a drop-in would override the setting.
  private func requireSettable(on host: Host) throws {
    let survey = try SettingsSurvey(of: host.files)
    guard let assignment = survey.last("KeyDirectory"), assignment.source == .dropIn else { return }
    throw Failure(
      "\(assignment.path), line \(assignment.entry.line ?? 0), sets KeyDirectory, which overrides any other value",
      hint: "remove that line, and try again")
  }

  /// The names of the private keys to move; some may have been moved by an interrupted run.
  private func privateKeys(in source: String, or target: String, on host: Host) throws -> [String] {
    let names = try KeyRole.allCases.map(KeyStore.keyFile(of:)).filter { name in
      let places = [source, target].map { PathName.join($0, name) }
      for path in places where try host.files.linkStatus(of: path)?.kind == .symbolicLink {
        throw Failure("\(host.files.display(path)) is a symbolic link", hint: "replace it with the file itself")
      }
      return try places.contains { try host.files.exists($0) }
    }
    guard !names.isEmpty else {
      throw Failure(
        "no private keys in \(host.files.display(source))",
        hint: "connect and mount the medium with the private keys, and try again")
    }
    return names
  }

  /// Opens each key, with its passphrase if it has one, and compares it with its certificate.
  private func prove(_ names: [String], in directory: String, _ store: KeyStore, on host: Host) throws {
    let opened = KeyStore(of: host, privateDirectory: directory)
    for role in KeyRole.allCases where names.contains(KeyStore.keyFile(of: role)) {
      guard try host.files.exists(opened.path(of: KeyStore.keyFile(of: role))) else { continue }
      _ = try opened.identity(of: role)
    }
  }

  private func filesToCopy(
    _ names: [String], from source: String, _ store: KeyStore, on host: Host
  ) throws -> [KeySet.File] {
    var files = try names.compactMap { name in
      try host.files.readFileIfPresent(PathName.join(source, name), limit: Self.sizeLimit).map {
        KeySet.File(name: name, mode: 0o600, content: $0, isPrivateKey: true)
      }
    }
    for name in KeyRole.allCases.map(KeyStore.certificateFile(of:)) + [KeyStore.ownerFile] {
      guard let content = try host.files.readFileIfPresent(store.path(of: name), limit: Self.sizeLimit) else {
        continue
      }
      files.append(KeySet.File(name: name, mode: 0o644, content: content, isPrivateKey: false))
    }
    return files
  }

  // MARK: The move

  private func copy(_ files: [KeySet.File], to target: String, on host: Host) throws {
    if try host.files.linkStatus(of: target) == nil { try host.files.makeDirectory(target, mode: 0o700) }
    try host.files.removeAbandoned(in: target)
    for file in files { try KeyStore.writeNew(file, to: PathName.join(target, file.name), on: host) }
  }

  private func proveCopy(_ names: [String], in target: String, _ store: KeyStore, on host: Host) throws {
    try prove(names, in: target, store, on: host)
    let name = KeyStore.keyFile(of: .signatureDatabase)
    guard names.contains(name) else { return }
    try KeySource(
      key: PathName.join(target, name), certificate: KeyStore.standardCertificatePath, isHostPath: true
    ).requireSignature(from: host)
  }

  private func set(_ target: String, _ configuration: Configuration, from source: String, on host: Host) throws {
    let isStandard = target == KeyStore.standardDirectory
    var assignments = [ConfigurationSet.Assignment("KeyDirectory", isStandard ? "" : target)]
    let old = PathName.join(source, KeyStore.keyFile(of: .signatureDatabase))
    if configuration.specifiedKey == old { assignments.append(.init("Key", "")) }
    var set = ConfigurationSet(assignments)
    // The key was proven, and `Key=` may name a token that is not connected.
    set.isForced = true
    _ = try set.run(on: host)
    guard try SettingsSurvey(of: host.files).configuration(of: "KeyDirectory").keyDirectory == target else {
      throw Failure("KeyDirectory= could not be set to \(target)")
    }
  }

  /// Removes the old private keys, each only while the copy is the same.
  private func removeOld(_ names: [String], from source: String, _ target: String, on host: Host) throws {
    // A run that has read the old setting may still sign with the old key.
    let lock = try host.files.lock(Apply.lockPath, waitingAtMost: Self.lockTimeout)
    defer { withExtendedLifetime(lock) {} }
    guard try host.files.isDirectory(source) else {
      throw Failure(
        "\(host.files.display(source)) with the old private keys does not exist",
        hint: "connect and mount its medium")
    }
    for name in names {
      let old = PathName.join(source, name)
      guard let content = try host.files.readFileIfPresent(old, limit: Self.sizeLimit) else { continue }
      let copy = KeySet.File(name: name, mode: 0o600, content: content, isPrivateKey: true)
      guard try KeyStore.requireNoOther(copy, at: PathName.join(target, name), on: host) else {
        throw Failure("\(host.files.display(PathName.join(target, name))) has disappeared")
      }
      try host.files.remove(old)
    }
  }

  // MARK: Words

  /// The failure with the place of the keys in use, and how to continue.
  private func failure(_ error: any Error, _ target: String, on host: Host) -> Failure {
    let cause = Failure(adopting: error, of: "the move of the private keys")
    let current = (try? SettingsSurvey(of: host.files).configuration(of: "KeyDirectory").keyDirectory) ?? target
    return Failure(
      "\(cause.withHint); the private keys in \(host.files.display(current)) remain in use",
      hint: "when the cause is repaired, run: pve-sb-uki keys move \(target.shellWord)")
  }

  private func warnings(_ target: String, on host: Host) -> [Message] {
    var warnings: [Message] = []
    let mounts = (try? host.files.mountPoints()) ?? []
    if (try? SecretStorage.isOnUnencryptedDevice(target, among: mounts, on: host)) == true {
      warnings.append(
        "\(host.files.display(target)) is on an unencrypted file system; anyone who gets it can use keys without a passphrase"
      )
    }
    for name in KeyRole.allCases.map(KeyStore.keyFile(of:)) {
      let path = PathName.join(target, name)
      let found = (try? host.exposures(of: path, forbidden: 0o077, wanted: 0o600)) ?? []
      guard let first = found.first else { continue }
      let isFAT = SecretStorage.mount(of: target, among: mounts)?.fileSystem == "vfat"
      warnings.append(isFAT ? "\(first.message); mount it with the options umask=077,uid=0" : first.withHint)
      break
    }
    return warnings
  }

  private func notes(
    _ source: String, _ target: String, _ configuration: Configuration, on host: Host
  ) throws -> [Message] {
    var notes: [Message] = []
    try KeyMedium(of: source, on: host)?.disable(on: host)
    if let medium = try KeyMedium(of: target, on: host) { notes.append(medium.enable(on: host)) }
    if let key = configuration.specifiedKey, key != PathName.join(source, KeyStore.keyFile(of: .signatureDatabase)) {
      notes.append("UKIs are signed with Key=\(KeySource.shown(key)), which is unchanged")
    }
    let mounts = try host.files.mountPoints()
    if try SecretStorage.isOnUnencryptedDevice(source, among: mounts, on: host) {
      notes.append(
        "\(host.files.display(source)) is on an unencrypted file system, from which deleted keys can often be recovered"
      )
    }
    return notes
  }
}
