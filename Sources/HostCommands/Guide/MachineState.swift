// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
package import Findings
package import HostSystem
internal import KeyEnrolment
package import Messages
package import Reconcile
internal import SecureBoot
internal import SigningKeys

/// How far this machine is on its way to Secure Boot with the owner's key, and the next command on that way.
///
/// Computed from keys, ESPs and the firmware each time, and never stored.
package struct MachineState: Sendable {
  /// The directory in which `keys export` puts the public parts on this host.
  package static func exportDirectory(on host: Host) -> String {
    let survey = (try? Configuration(of: host.files)).flatMap { try? ESPSurvey(of: host, $0) }
    return ExportedKeys.target(survey ?? ESPSurvey(), on: host)
  }

  package enum Stage: String, CaseIterable, Sendable {
    /// pve-sb-uki does nothing on this host.
    case inactive = "inactive"
    case noKeys = "no-keys"
    /// There are keys, but no UKI yet.
    case keysMade = "keys-made"
    /// The signing key or its certificate cannot be read.
    case keyMissing = "key-missing"
    /// There are UKIs, but firmware and shim do not know their key.
    case notEnrolled = "not-enrolled"
    /// The public parts are where the firmware's menu or mokutil finds them.
    case readyToEnrol = "ready-to-enrol"
    /// MokManager enrols the key at the next boot.
    case waitsForMokManager = "waits-for-mokmanager"
    /// The key is enrolled, and Secure Boot is off.
    case enrolled = "enrolled"
    /// The firmware trusts the key, or has no Secure Boot, but another program was booted.
    case notBooted = "not-booted"
    /// Everything is as intended.
    case booted = "booted"
    /// The boot chain rejects the UKIs for a reason other than a missing enrolment, or cannot be judged.
    case rejected = "rejected"
  }

  package let stage: Stage
  /// One line for the screen.
  package private(set) var title: Message
  /// What to do in a menu, or what to know before the next command; one line each.
  package private(set) var lines: [Message] = []
  /// What needs attention, most important first.
  package private(set) var findings: [Finding] = []
  /// The next command, which can be pasted as it stands; nil if nothing has to be done.
  package private(set) var nextCommand: Message?
  /// Why this machine would start or reject UKIs of the key if Secure Boot were on; nil if that is unknown.
  package private(set) var ifSecureBootWereOn: Message?

  fileprivate init(_ stage: Stage, _ title: Message, next: Message? = nil, lines: [Message] = []) {
    self.stage = stage
    self.title = title
    self.lines = lines
    nextCommand = next
  }
}

extension MachineState {
  /// The state of a host; UKIs are not read.
  ///
  /// Throws for invalid settings, like `apply`.
  package init(of host: Host) throws {
    switch try Readiness(of: host) {
    case .skip(let reason): self.init(reason)
    case .ready(let configuration, let survey):
      var options = ApplyOptions()
      options.isDryRun = true
      options.reading = .none
      try self.init(
        of: host, Assessment(of: host, configuration: configuration, survey: survey, options: options))
    }
  }

  /// The state of a host on which pve-sb-uki does nothing.
  package init(_ reason: SkipReason) {
    if reason == .noKeys {
      self.init(.noKeys, "no signing key exists yet", next: "pve-sb-uki keys create")
    } else {
      self.init(.inactive, reason.message, lines: [reason.advice].compactMap { $0 })
    }
  }

  /// The state of a host that was observed.
  ///
  /// Throws if the firmware's variables cannot be read.
  package init(of host: Host, _ assessment: borrowing Assessment) throws {
    let observation = assessment.observation
    let plan = assessment.plan
    guard let certificate = observation.certificate else {
      self.init(.keyMissing, "the certificate of the signing key cannot be read")
      if plan.configuration.secureBoot != .optional {
        findings = Way.modeFindings(try TrustDatabase(readingFrom: host), observation, actions: [])
      }
      return
    }
    let hasUKI = observation.contents.values.contains { !$0.own.isEmpty }
    guard hasUKI || !plan.writesUKIs else {
      self.init(
        .keysMade, "signing keys exist, but no UKI yet", next: "pve-sb-uki apply", lines: [Self.backupLine(host)])
      return
    }
    guard let decision = plan.chain else {
      self.init(.rejected, "the boot chain cannot be judged")
      return
    }
    let trust = try EnrolmentTrust(decision, certificate, observation.survey, on: host)
    let way = Way(host: host, observation: observation, plan: plan, trust: trust, certificate: certificate)
    self = way.state()
    findings = way.findings(self)
    ifSecureBootWereOn = way.ifOn
    if let ifOn = way.ifOn { lines.insert(ifOn, at: 0) }
  }

  static func backupLine(_ host: Host) -> Message {
    "Keep a copy of \(KeyStore(of: host).displayPath) off this machine: pve-sb-uki keys backup FILE"
  }
}

/// From UKIs to a machine that was booted from them.
private struct Way {
  let host: Host
  let observation: HostObservation
  let plan: ApplyPlan
  let trust: EnrolmentTrust
  let certificate: Certificate

  private var database: TrustDatabase { trust.database }
  private var isOptional: Bool { plan.configuration.secureBoot == .optional }
  private var isInSetupMode: Bool { database.setupMode == true }

  /// What would happen with Secure Boot on; nil if it is on, or does not exist.
  var ifOn: Message? {
    guard database.secureBootEnabled != nil, !database.isEnforced else { return nil }
    return switch trust.trust {
    case .accepted(let reason): "If Secure Boot were on, this machine would start the UKIs: \(reason)."
    case .refused(let reason, _): "If Secure Boot were on, this machine would reject the UKIs: \(reason)."
    }
  }

  func state() -> MachineState {
    guard database.secureBootEnabled != nil else {
      // In a chroot, or while a system image is made, the firmware cannot be asked.
      if observation.evidence == nil { return trust.usesShim ? shimState() : firmwareState() }
      return bootState("this firmware has no Secure Boot")
    }
    if trust.trust.isAccepted {
      if database.isEnforced { return bootState("Secure Boot is on and accepts the signing key") }
      if isOptional { return bootState("Secure Boot is off, as SecureBoot=optional allows") }
      return enrolledState()
    }
    if isOptional, !database.isEnforced { return bootState("Secure Boot is off, as SecureBoot=optional allows") }
    guard trust.needsEnrolment else {
      return MachineState(.rejected, "this machine rejects UKIs of the signing key")
    }
    return trust.usesShim ? shimState() : firmwareState()
  }

  /// The last step: a boot from one of the UKIs.
  private func bootState(_ title: Message) -> MachineState {
    switch observation.isBootedFromUKI {
    case true: MachineState(.booted, "\(title); booted from a UKI")
    case nil: MachineState(.booted, title)
    default:
      MachineState(
        .notBooted, "\(title); not booted from a UKI yet",
        next: plan.isMoreThanCleanup ? "pve-sb-uki apply" : "systemctl reboot")
    }
  }

  private func enrolledState() -> MachineState {
    if plan.isMoreThanCleanup {
      return MachineState(
        .enrolled, "the signing key is enrolled, and Secure Boot is off; the UKIs need an update",
        next: "pve-sb-uki apply")
    }
    if isInSetupMode {
      return MachineState(
        .enrolled, "the signing key is in db, but the firmware is in Setup Mode", next: setupModeCommand,
        lines: ["KEK and PK are missing; PK ends Setup Mode."])
    }
    if isEnrolledSinceBoot {
      return MachineState(
        .enrolled, "the signing key is enrolled, and Secure Boot is off", next: "systemctl reboot",
        lines: ["Most firmware turns Secure Boot on at the next start. If it does not, its menu does."])
    }
    let menu = MenuWalk(of: host)
    return MachineState(
      .enrolled, "the signing key is enrolled, and Secure Boot is off", next: menu.command,
      lines: [menu.entrance].compactMap { $0 } + [MenuWalk.lastStep])
  }

  /// Whether pve-sb-uki has written the keys since the machine was started.
  private var isEnrolledSinceBoot: Bool {
    guard let record = try? EnrolmentRecord.load(from: host.files), let finished = record.finished,
      let booted = try? BootEvidence.bootTime(of: host.files)
    else { return false }
    return finished >= booted
  }

  // MARK: shim

  private func shimState() -> MachineState {
    if trust.isRequested {
      return MachineState(
        .waitsForMokManager, "the signing key waits for MokManager", next: "systemctl reboot",
        lines: MokManagerWalk.lines(trust.requests.additions, seconds: nil))
    }
    let preparation =
      try? MOKRoad.preparation(
        isShimInTheChain: plan.chain?.chain.hasShim == true, database: database, on: host)
    var lines: [Message] = []
    if let reason = preparation?.reason { lines.append("First, shim has to be in the boot path: \(reason).") }
    if observation.evidence != nil, !isInSetupMode {
      lines.append("Instead of shim's list, the firmware's own lists can get your keys: pve-sb-uki enroll --stage")
    }
    return MachineState(
      .notEnrolled, "UKIs are ready, but shim does not know their key",
      next: preparation?.command ?? "pve-sb-uki enroll --mok", lines: lines + [MachineState.backupLine(host)])
  }

  // MARK: db

  private func firmwareState() -> MachineState {
    let title: Message = "UKIs are ready, but the firmware does not know their key"
    let backup = MachineState.backupLine(host)
    guard observation.evidence != nil || database.secureBootEnabled != nil else {
      // In a chroot, the machine that it will run on decides about the road.
      return MachineState(.notEnrolled, title, next: "pve-sb-uki enroll", lines: [backup])
    }
    let place = ExportedKeys(of: certificate, observation.survey, on: host).place
    guard let place else {
      guard isInSetupMode else {
        return MachineState(.notEnrolled, title, next: "pve-sb-uki enroll --stage", lines: [backup])
      }
      return MachineState(
        .notEnrolled, title, next: setupModeCommand,
        lines: ["The firmware is in Setup Mode, so that db, KEK and PK can be written from here.", backup])
    }
    let menu = MenuWalk(of: host)
    var lines = menu.steps(place.isComplete ? .replaceAll(isInSetupMode: isInSetupMode) : .addCertificate)
    // The UKIs that the machine starts now are signed by another key.
    if observation.keepsAcceptedImages {
      lines.removeLast()
      lines.append("Keep Secure Boot off until pve-sb-uki has signed the UKIs with the new key.")
    }
    if isInSetupMode { lines.append("Or write them from here: \(setupModeCommand)") }
    return MachineState(
      .readyToEnrol, "the signing key is ready for the firmware's menu", next: menu.command, lines: lines)
  }

  /// The command that ends Setup Mode.
  private var setupModeCommand: Message {
    if case .signingPair = try? KeyStore(of: host).state() { return "pve-sb-uki keys create --complete" }
    return "pve-sb-uki enroll --firmware"
  }
}

extension Way {
  /// What needs attention in this state.
  func findings(_ state: MachineState) -> [Finding] {
    var found: [Finding] = []
    let actions = [state.nextCommand].compactMap { $0.map { Finding.Action.run($0) } }
    if case .refused(let reason, let hint) = trust.trust, database.secureBootEnabled != nil,
      database.isEnforced || !isOptional
    {
      found.append(rejection(reason, hint: hint, actions: actions))
    }
    guard !isOptional else { return found }
    found += Self.modeFindings(database, observation, actions: actions)
    if state.stage == .notBooted {
      found.append(Finding(.notBooted, "this machine was not booted from a UKI made by pve-sb-uki", actions: actions))
    }
    return found.sorted { Self.rank($0.kind) < Self.rank($1.kind) }
  }

  /// Findings about a firmware that rejects nothing.
  static func modeFindings(
    _ database: TrustDatabase, _ observation: HostObservation, actions: [Finding.Action]
  ) -> [Finding] {
    if database.setupMode == true {
      return [
        Finding(
          .setupMode, "the firmware is in Setup Mode: it starts any program, and anyone can enrol keys",
          actions: actions + [Self.optionalAdvice])
      ]
    }
    if database.secureBootEnabled == false {
      return [
        Finding(
          .secureBootOff, "Secure Boot is off: the firmware starts any program",
          actions: actions + [Self.optionalAdvice])
      ]
    }
    guard database.secureBootEnabled == nil, observation.evidence != nil else { return [] }
    return [
      Finding(
        .secureBootOff, "this firmware has no Secure Boot: it starts any program",
        actions: [.run("pve-sb-uki config set SecureBoot optional")])
    ]
  }

  private static var optionalAdvice: Finding.Action {
    .advise("if this is wanted, run: pve-sb-uki config set SecureBoot optional")
  }

  private static func rank(_ kind: FindingKind) -> Int { FindingKind.allCases.firstIndex(of: kind) ?? 0 }

  private func rejection(_ reason: Message, hint: Message, actions: [Finding.Action]) -> Finding {
    if trust.needsEnrolment {
      return Finding(
        .keyNotEnrolled,
        database.isEnforced
          ? "this machine rejects UKIs signed with this key: \(reason)"
          : "with Secure Boot on, this machine would reject UKIs signed with this key: \(reason)",
        arguments: ["mok": .boolean(trust.usesShim)], actions: actions)
    }
    return Finding(
      database.isEnforced ? .chainUnusable : .keyNotEnrolled,
      database.isEnforced
        ? "this machine rejects UKIs signed with this key: \(reason)"
        : "with Secure Boot on, this machine would reject UKIs signed with this key: \(reason)",
      actions: [.advise(hint)])
  }
}
