// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import Cryptography
internal import EFIData
package import HostSystem
package import KeyEnrolment
package import Messages
internal import Reconcile
internal import SecureBoot
internal import SigningKeys

/// `pve-sb-uki enroll --stage` and `--auto-enroll`: puts the public parts on every ESP, where the firmware's menu or
/// systemd-boot enrols them.
///
/// The updates replace KEK and db, so they contain the vendor's certificates that are kept, too.
package struct StageKeys: Sendable {
  /// Whether systemd-boot enrols them at the next boot, rather than an administrator in the firmware's menu.
  package var isAutomatic = false
  /// Whether systemd-boot does that without being asked to in its menu.
  package var forcesEnrolment = false
  package var vendor = EnrolmentGoal.Vendor.keep
  /// Files with certificates or signature lists to add to db; paths of the user.
  package var additions: [String] = []
  package var isDryRun = false

  package init() {}

  /// What was done on an ESP, or would be in a dry run.
  package struct Partition: Sendable {
    /// Name of the ESP.
    package var name: String
    /// Paths that were written.
    package var written: [String] = []
    /// How many files were right already.
    package var unchanged = 0
  }

  package struct Result: Sendable {
    package var partitions: [Partition] = []
    /// The certificate that signs UKIs.
    package var certificate: Certificate
    /// What KEK and db get, by name of the list; empty if only a certificate is staged.
    package var lists: [(name: String, entries: [ListEntry])] = []
    package var notes: [Message] = []
    /// One for each ESP that could not be written.
    package var failures: [Failure] = []
    /// What to do after the next command, one line each.
    package var steps: [Message] = []
    package var nextCommand: Message
  }

  /// Puts the files on each ESP in use.
  ///
  /// A problem with one ESP goes into the result, and its files are as before. A second run writes nothing. Throws
  /// `Failure` or `HostError` if nothing can be staged.
  package func run(on host: Host) throws -> Result {
    let (configuration, survey) = try ready(on: host)
    if isAutomatic { try requireSystemdBoot(configuration, survey, host) }
    let lock = try isDryRun ? nil : host.files.lock(Apply.lockPath, waitingAtMost: ApplyOptions().lockTimeout)
    let keysLock = try isDryRun ? nil : host.files.lock(KeysLock.path)
    defer { withExtendedLifetime((lock, keysLock)) {} }
    let parts = try PublicParts(of: host, configuration, needsUpdates: true)
    guard !isAutomatic || parts.hasOwner else {
      throw Failure(
        "\(parts.store.displayPath) has no PK and KEK, which systemd-boot enrols with db",
        hint: "add the certificate to db in the firmware's menu: pve-sb-uki enroll --stage")
    }
    let lists = try parts.hierarchy.map { try Lists(goal(parts, $0.owner, host), on: host) }
    let content = Content(parts: parts, lists: lists, isAutomatic: isAutomatic)
    let menu = MenuWalk(of: host)
    var result = Result(
      certificate: parts.signer,
      nextCommand: isAutomatic ? "systemctl reboot" : menu.command)
    result.failures = survey.problems.map { Failure($0.message, hint: $0.hint) }
    try stage(content, on: survey.esps, host, &result)
    describe(menu, content, host, &result)
    return result
  }

  private func ready(on host: Host) throws -> (Configuration, ESPSurvey) {
    switch try Readiness(of: host) {
    case .skip(let reason): throw Failure(reason.message, hint: reason.hint)
    case .ready(let configuration, let survey): return (configuration, survey)
    }
  }

  // MARK: systemd-boot

  /// Throws `Failure` unless systemd-boot starts this machine, finds it in Setup Mode and UKIs of the key exist.
  private func requireSystemdBoot(_ configuration: Configuration, _ survey: ESPSurvey, _ host: Host) throws {
    var options = ApplyOptions()
    options.isDryRun = true
    options.reading = .none
    let assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
    guard let decision = assessment.plan.chain else {
      throw Failure("the boot chain cannot be judged", hint: "run 'pve-sb-uki status'")
    }
    let isInSetupMode = decision.evaluation.database.setupMode
    guard decision.chain.hasSystemdBoot else {
      throw Failure(
        "this machine is not started by systemd-boot, but by the boot chain \(decision.chain)",
        hint: isInSetupMode == true
          ? "enrol from the running system: pve-sb-uki enroll --firmware"
          : "enrol in the firmware's menu: pve-sb-uki enroll --stage")
    }
    guard isInSetupMode == true else {
      throw Failure(
        "systemd-boot enrols keys only in Setup Mode, in which this firmware is not",
        hint: "delete the platform key (PK) in the firmware's menu, or enrol there: pve-sb-uki enroll --stage")
    }
    guard !assessment.plan.writesUKIs, !assessment.observation.contents.values.contains(where: \.own.isEmpty) else {
      throw Failure(
        "an ESP lacks a current UKI; after the enrolment, the firmware would start nothing else",
        hint: "pve-sb-uki apply")
    }
  }

  private func goal(_ parts: PublicParts, _ owner: GUID, _ host: Host) throws -> EnrolmentGoal {
    var goal = EnrolmentGoal(own: parts.certificates, owner: owner)
    goal.vendor = vendor
    for path in additions { goal.additions.lists += try EnrolFirmware.signatures(in: path, owner, host).lists }
    return goal
  }

  /// The wanted content of the firmware's lists.
  private struct Lists {
    let byRole: [KeyRole: [UInt8]]
    /// That of dbx if the firmware has lost it and its factory's is known; nil if dbx needs no update.
    let forbidden: [UInt8]?
    let own: [Certificate]

    init(_ goal: EnrolmentGoal, on host: Host) throws {
      let present = try FirmwareLists(readingFrom: host.variables)
      byRole = KeyRole.allCases.reduce(into: [:]) { $0[$1] = goal.content(of: $1, from: present) }
      let factory = present.factoryData(.forbiddenDatabase)
      forbidden = present.data(.forbiddenDatabase).isEmpty && !factory.isEmpty ? factory : nil
      own = Array(goal.own.values)
    }

    func content(of role: KeyRole) -> [UInt8] { byRole[role] ?? [] }

    /// What KEK and db get.
    var entries: [(name: String, entries: [ListEntry])] {
      [KeyRole.keyExchangeKey, .signatureDatabase].map { ($0.name, ListEntry.entries(in: content(of: $0), own: own)) }
    }
  }

  // MARK: Files

  /// The files for an ESP, apart from updates the same in each run.
  private struct Content {
    let parts: PublicParts
    let lists: Lists?
    let isAutomatic: Bool

    var directory: String { isAutomatic ? StagedKeys.automaticDirectory : StagedKeys.menuDirectory }

    /// All files, in the order in which they are written: PK last, since systemd-boot needs all of them.
    func files(at time: Int64) throws -> [PublicParts.File] { try certificateFiles() + updates(at: time) }

    private func certificateFiles() throws -> [PublicParts.File] {
      guard !isAutomatic else { return [] }
      var files = try parts.certificateFiles([".cer"], parts.roles.reversed())
      if let lists { files += KeyRole.allCases.reversed().map { ("\($0.name).esl", lists.content(of: $0)) } }
      return files
    }

    private func updates(at time: Int64) throws -> [PublicParts.File] {
      guard let hierarchy = parts.hierarchy, let lists else { return [] }
      func update(_ variable: EFIVariableName, _ list: [UInt8], _ authority: KeyRole) throws -> PublicParts.File {
        let update = try hierarchy.update(of: variable, payload: list, at: time, by: authority)
        return ("\(variable.name).auth", update.serialize())
      }
      let forbidden = isAutomatic ? lists.forbidden : nil
      return try [forbidden].compactMap { $0 }.map { try update(.forbiddenDatabase, $0, .keyExchangeKey) }
        + KeyRole.allCases.reversed().map { try update($0.variable, lists.content(of: $0), $0.authority) }
    }
  }

  private func stage(_ content: Content, on esps: [ESP], _ host: Host, _ result: inout Result) throws {
    var present: [String: [String: [UInt8]]] = [:]
    var usable: [ESP] = []
    for esp in esps {
      do {
        guard esp.uncleanState == nil else {
          throw Failure("the ESP was not unmounted cleanly", hint: "pve-sb-uki apply")
        }
        present[esp.name] = try Self.read(content.directory, on: esp.open(on: host, for: .reading))
        usable.append(esp)
      } catch {
        result.failures.append(Failure(esp.name, error))
      }
    }
    let files = try self.files(content, present.values.map { $0 }, host)
    for esp in usable {
      let wrong = files.filter { present[esp.name]?[$0.name] != $0.bytes }
      let stale = (present[esp.name] ?? [:]).keys.filter { name in !files.contains { $0.name == name } }
      do {
        let isForced = try isForced(esp, host)
        var partition = Partition(name: esp.name, unchanged: files.count - wrong.count)
        partition.written = wrong.map { "\(content.directory.dropFirst())/\($0.name)" }
        if !isForced { partition.written.append(String(LoaderConfiguration.path.dropFirst())) }
        if !isDryRun, !wrong.isEmpty || !stale.isEmpty || !isForced {
          let old = Set((present[esp.name] ?? [:]).keys)
          try write(wrong, replacing: old, removing: stale, in: content.directory, to: esp, host)
          if !isForced { try force(on: esp, host) }
        }
        result.partitions.append(partition)
      } catch {
        result.failures.append(Failure(esp.name, error))
      }
    }
    if usable.isEmpty, result.failures.isEmpty { throw Failure(SkipReason.noESP.message, hint: SkipReason.noESP.hint) }
  }

  /// The files with the time of the last updates if an ESP has those, otherwise with a new time, which is recorded.
  private func files(_ content: Content, _ present: [[String: [UInt8]]], _ host: Host) throws -> [PublicParts.File] {
    guard content.parts.hierarchy != nil else { return try content.files(at: 0) }
    if let last = try content.parts.lastTime() {
      let files = try content.files(at: last)
      let updates = files.filter { $0.name.hasSuffix(".auth") }
      let found = present.flatMap { files in
        updates.compactMap { update in files[update.name].map { $0 == update.bytes } }
      }
      if found.contains(true), !found.contains(false) { return files }
    }
    let time = try content.parts.newTime(on: host)
    let files = try content.files(at: time)
    if !isDryRun { try content.parts.record(time) }
    return files
  }

  /// The files under pve-sb-uki's names in the directory, those of any owner.
  private static func read(_ directory: String, on files: FileSystem) throws -> [String: [UInt8]] {
    let names = try (files.list(directory) ?? []).filter { StagedKeys.isName($0, in: directory) }
    return try names.reduce(into: [:]) { found, name in
      let path = "\(directory)/\(name)"
      guard try files.linkStatus(of: path)?.kind == .regular else { return }
      found[name] = (try? files.readFile(path, limit: OwnKeyFiles.sizeLimit)) ?? []
    }
  }

  /// Writes the files, or none of them.
  ///
  /// First removes what another enrolment has left, beginning with PK's update: systemd-boot enrols nothing without it, so
  /// an interruption cannot leave a mixture that it accepts.
  private func write(
    _ files: [PublicParts.File], replacing old: Set<String>, removing stale: [String], in directory: String,
    to esp: ESP, _ host: Host
  ) throws {
    let output = try esp.open(on: host, for: .writing)
    let needed = files.reduce(0) { $0 + ($1.bytes.count + Self.clusterSize) }
    let free = try output.availableSpace(at: "/")
    guard needed <= free else {
      throw Failure(
        "no room for the files: they need \(needed >> 10) KiB, and \(free >> 10) KiB are free",
        hint: "remove files that are not needed from the ESP, then run the command again")
    }
    if files.contains(where: { $0.name == "PK.auth" && old.contains($0.name) }) || stale.contains("PK.auth") {
      try output.remove("\(directory)/PK.auth")
    }
    for name in stale.sorted() { try output.remove("\(directory)/\(name)") }
    var written: [String] = []
    do {
      try output.makeDirectory(directory)
      for file in files {
        let path = "\(directory)/\(file.name)"
        try output.replaceFile(path, content: file.bytes)
        written.append(path)
      }
    } catch {
      try? StagedRemoval(paths: written.reversed()).perform(on: output)
      throw error
    }
  }

  /// Room for a file beside its content, in bytes: FAT32 has clusters of up to 32 KiB.
  private static let clusterSize = 32 << 10

  // MARK: loader.conf

  /// Whether `loader.conf` needs no change.
  private func isForced(_ esp: ESP, _ host: Host) throws -> Bool {
    guard isAutomatic, forcesEnrolment else { return true }
    return try StagedRemoval.isForced(in: esp.open(on: host, for: .reading))
  }

  private func force(on esp: ESP, _ host: Host) throws {
    let output = try esp.open(on: host, for: .writing)
    let path = LoaderConfiguration.path
    let present = try output.readFileIfPresent(path, limit: LoaderConfiguration.sizeLimit) ?? []
    try output.makeDirectory(PathName(path).directory)
    try output.replaceFile(path, content: LoaderConfiguration.withForcedEnrolment(present))
  }

  // MARK: Words

  private func describe(_ menu: MenuWalk, _ content: Content, _ host: Host, _ result: inout Result) {
    if let lists = content.lists {
      result.lists = lists.entries
      if vendor != .none, lists.entries.allSatisfy({ $0.entries.allSatisfy { $0.origin == .own } }) {
        result.notes.append(
          """
          the firmware has no certificates of a vendor to keep: plug-in cards and programs signed by Microsoft will not \
          start with Secure Boot on
          """)
      }
      for role in [KeyRole.keyExchangeKey, .signatureDatabase] {
        let database = SignatureDatabase.readable(in: lists.content(of: role)).database
        for entry in database.signatures(of: .x509) {
          guard let certificate = try? Certificate(parsingPrefixOf: entry.data), PlatformKeys.isPublic(certificate)
          else { continue }
          result.notes.append(
            """
            \(role.name) keeps the test key \(certificate.displayName), whose private half is public: anyone can sign with \
            it; to drop the vendor's keys, use --vendor none
            """)
        }
      }
    }
    guard isAutomatic else {
      let database = try? TrustDatabase(readingFrom: host)
      result.steps = menu.steps(
        content.parts.hasOwner ? .replaceAll(isInSetupMode: database?.setupMode == true) : .addCertificate)
      return
    }
    let loader = EnrolmentLoader(of: host)
    if content.lists?.forbidden != nil, !loader.enrolsForbidden {
      result.notes.append("this version of systemd-boot does not restore dbx, which the firmware has lost")
    }
    if forcesEnrolment || loader.enrolsUnasked {
      result.steps = [
        "systemd-boot counts down from 15 seconds, enrols the keys and starts the machine again; any key stops it.",
        "Then Secure Boot is on, and pve-sb-uki apply removes these files.",
      ]
    } else {
      result.steps = [
        "In the menu of systemd-boot, which the space bar opens, choose 'Enroll Secure Boot keys: auto'.",
        "To enrol without the menu, run: pve-sb-uki enroll --auto-enroll --force-enroll",
      ]
    }
  }
}
