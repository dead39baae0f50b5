// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import BootPaths
internal import Cryptography
internal import EFIData
package import HostSystem
package import KeyEnrolment
internal import Messages
internal import Reconcile
internal import SecureBoot
internal import SigningKeys

/// `pve-sb-uki enroll --firmware`: writes db, KEK and PK from the running system.
package struct EnrolFirmware: Sendable {
  package var vendor = EnrolmentGoal.Vendor.keep
  /// Files with certificates or signature lists to add to db; paths of the user.
  package var additions: [String] = []
  /// Whether to add to db only; see `EnrolmentGoal.isAppend`.
  package var isAppend = false
  package var risks: Set<EnrolmentGoal.Risk> = []
  /// The directory for the undo bundle, an absolute path of the user; nil for one in `UndoBundle.parent`.
  package var undo: String?
  /// Whether to put an update that removes PK into the undo bundle.
  package var includesRemoval = false

  package init() {}

  /// Maximum size of a file for db in bytes.
  private static let sizeLimit = 1 << 20

  /// Plans, and if `confirm` agrees with the plan, carries it out.
  ///
  /// Returns the plan, and whether it was carried out: false if there was nothing to write, if the plan has refusals, or
  /// if it was not confirmed. Throws `Failure` if there are no keys, and see `EnrolmentExecutor`.
  package func run(
    on host: Host, confirming confirm: (EnrolmentPlan) throws -> Bool,
    reporting report: (EnrolmentExecutor.Event) throws -> Void
  ) throws -> (plan: EnrolmentPlan, isDone: Bool) {
    let lock = try host.files.lock(KeysLock.path)
    return try withExtendedLifetime(lock) {
      let context = try Context(of: host)
      let plan = try plan(context, host)
      guard plan.isChange else {
        if plan.refusals.isEmpty { try EnrolmentExecutor.finish(on: host) }
        return (plan, false)
      }
      let target = try undoDirectory(context.survey, host)
      guard try plan.refusals.isEmpty && confirm(plan) else { return (plan, false) }
      let keys = try describing(context.store.displayPath) { try context.store.hierarchy() }
        .enrolling(context.signingCertificate)
      // A run of apply in between would judge the boot entries by half of the new keys.
      let work = try host.files.lock(Apply.lockPath, waitingAtMost: ApplyOptions().lockTimeout)
      return try withExtendedLifetime(work) {
        try EnrolmentExecutor(plan, signedBy: keys, of: context.store, on: host)
          .execute(undo: target, reporting: report)
        return (plan, true)
      }
    }
  }

  /// Plans only; writes nothing and asks for no passphrase.
  package func plan(on host: Host) throws -> EnrolmentPlan {
    let context = try Context(of: host)
    if undo != nil { _ = try undoDirectory(context.survey, host) }
    return try plan(context, host)
  }

  /// The settings, ESPs and keys of a host.
  private struct Context {
    let survey: ESPSurvey
    let store: KeyStore
    let keysAway: [KeyRole]
    let signingCertificate: Certificate

    /// Throws `Failure` if there is nothing to enrol.
    init(of host: Host) throws {
      guard case .ready(let configuration, let survey) = try Readiness(of: host) else {
        throw Failure("no signing key exists yet", hint: "run 'pve-sb-uki keys create'")
      }
      self.survey = survey
      store = KeyStore(of: host)
      switch try store.state() {
      case .absent, .signingPair:
        throw Failure(
          "\(store.displayPath) has no PK and no KEK, which the firmware needs",
          hint: "run 'pve-sb-uki keys create', or enrol the certificate with 'pve-sb-uki enroll --mok'")
      case .partial(_, let missing):
        throw Failure(
          "the keys in \(store.displayPath) are incomplete: missing \(missing.joined(separator: ", "))",
          hint: "restore the missing files from a backup")
      case .complete(let away): keysAway = away
      }
      signingCertificate = try configuration.signingKey.loadCertificate(from: host)
    }
  }

  private func plan(_ context: Context, _ host: Host) throws -> EnrolmentPlan {
    // Says what is missing if there are no variables.
    _ = try host.variables.names()
    let goal = try goal(context, host)
    let observed = try observe(context, host)
    var plan = try EnrolmentPlanner.plan(goal, observed) { db, dbx in
      try judge(db: db, dbx: dbx, observed.lists, context, host)
    }
    // What is on such an ESP cannot be judged.
    if plan.isChange { plan.notes += context.survey.problems.map(\.message) }
    return plan
  }

  private func goal(_ context: Context, _ host: Host) throws -> EnrolmentGoal {
    var own: [KeyRole: Certificate] = [.signatureDatabase: context.signingCertificate]
    for role in [KeyRole.platformKey, .keyExchangeKey] { own[role] = try context.store.certificate(of: role) }
    var goal = EnrolmentGoal(own: own, owner: try context.store.owner())
    goal.vendor = vendor
    goal.isAppend = isAppend
    goal.risks = risks
    for path in additions { goal.additions.lists += try Self.signatures(in: path, goal.owner, host).lists }
    return goal
  }

  /// The certificates or signature lists in a file of the user.
  static func signatures(in path: String, _ owner: GUID, _ host: Host) throws -> SignatureDatabase {
    let content = try host.userFiles.readFile(path, limit: Self.sizeLimit)
    if let lists = try? SignatureDatabase(parsing: content), !lists.lists.isEmpty { return lists }
    guard let file = try? CertificateFile(parsing: content) else {
      throw Failure(
        "\(path) is not a certificate in PEM or DER, and not an .esl file",
        hint: "specify one of these; an .auth file contains an .esl file after its signature")
    }
    return SignatureDatabase(certificates: file.certificates.map(\.der), owner: owner)
  }

  private func observe(_ context: Context, _ host: Host) throws -> EnrolmentObservation {
    var observed = EnrolmentObservation(
      lists: try FirmwareLists(readingFrom: host.variables), keyDirectory: context.store.displayPath,
      now: try host.buildTime ?? host.plausibleTime)
    observed.lastUpdate = try context.store.lastUpdateTime()
    observed.keysAway = context.keysAway
    observed.isReadOnly = try host.variables.isReadOnly
    observed.room = try host.variables.room()
    observed.requests = try VariableRoom.requests(in: host.variables)
    observed.optionROMs = OptionROMs(of: host)
    observed.disks = try UnlockedDisk.all(on: host)
    if let record = try? EnrolmentRecord.load(from: host.files), record.finished == nil {
      observed.savedForbidden = UndoBundle.data(of: .forbiddenDatabase, in: record.undo, host.files)
    }
    return observed
  }

  /// Judges the boot paths and UKIs with other lists, as if Secure Boot were on.
  private func judge(
    db: [UInt8], dbx: [UInt8], _ lists: FirmwareLists, _ context: Context, _ host: Host
  ) throws -> PathJudgement {
    var options = BootPathSurvey.Options()
    // An interrupted run can leave an empty file, which is not a variable.
    options.database = try TrustDatabase(
      readingFrom: host.variables, db: lists.data(.signatureDatabase), dbx: lists.data(.forbiddenDatabase))
    let now = try BootPathSurvey(of: host, context.survey, options: options)
    let database = try TrustDatabase(readingFrom: host.variables, db: db, dbx: dbx).enforced
    options.database = database
    let then = try BootPathSurvey(of: host, context.survey, options: options)
    let images = Dictionary(
      context.survey.esps.map { ($0.name, ImageJudgement(of: $0, database, on: host)) }, uniquingKeysWith: { $1 })
    return PathJudgement(now: now, then: then, images: images, isRunningSystem: host.isRunningSystem)
  }

  /// Throws `Failure` if the directory for the undo bundle is on an ESP, where anyone can change it.
  private func undoDirectory(_ survey: ESPSurvey, _ host: Host) throws -> EnrolmentExecutor.Undo {
    let files = undo == nil ? host.files : host.userFiles
    // For example 20261201T042151Z.
    let digits = CalendarDate(seconds: host.now()).description.filter { $0.isNumber }
    let name = "\(digits.prefix(8))T\(digits.dropFirst(8))Z"
    let standard = "\(UndoBundle.parent)/\(name)"
    // A run of the same second may have been interrupted before it wrote anything else.
    let free = try (1...).lazy.map { $0 == 1 ? standard : "\(standard)-\($0)" }
      .first { try host.files.linkStatus(of: $0) == nil }
    let path = undo ?? free ?? standard
    for esp in survey.esps where try esp.contains(path, in: files, of: host) {
      throw Failure(
        "\(files.display(path)) is on the ESP \(esp.name), where others can change it",
        hint: "use a directory that only root can change, for example: --undo \(standard)")
    }
    var target = EnrolmentExecutor.Undo(path: path, in: files)
    target.includesRemoval = includesRemoval
    return target
  }
}
