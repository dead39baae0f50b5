// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
internal import Findings
package import HostSystem
internal import Messages
package import SigningKeys

/// What is known about a machine before its keys are enrolled.
package struct EnrolmentObservation: Sendable {
  package var lists: FirmwareLists
  /// The data of dbx before an enrolment that was interrupted; empty if unknown.
  package var savedForbidden: [UInt8] = []
  /// Whether efivarfs is mounted read-only.
  package var isReadOnly = false
  /// The room for variables; nil if the kernel does not say.
  package var room: EFIVariableStore.Room?
  /// What the next boots need, apart from what is written now.
  package var requests: [(name: String, size: Int)] = []
  package var optionROMs = OptionROMs.unknown
  package var disks: [UnlockedDisk] = []
  /// The private keys that are not on this host.
  package var keysAway: [KeyRole] = []
  /// Where the keys are, for messages.
  package var keyDirectory: String
  /// The time of the last update signed with these keys, in seconds since 1970; nil if there was none.
  package var lastUpdate: Int64?
  /// The time now, even if the clock is behind.
  package var now: Int64

  package init(lists: FirmwareLists, keyDirectory: String, now: Int64) {
    self.lists = lists
    self.keyDirectory = keyDirectory
    self.now = now
  }
}

/// Turns a goal and an observation into a plan.
///
/// It reaches no machine: boot paths are judged by the caller, with the lists that the firmware would have.
package struct EnrolmentPlanner {
  private let goal: EnrolmentGoal
  private let observed: EnrolmentObservation
  private var plan: EnrolmentPlan

  /// The plan; `judge` says what happens to boot paths if the firmware has this data in db and dbx.
  package static func plan(
    _ goal: EnrolmentGoal, _ observed: EnrolmentObservation,
    judging judge: (_ db: [UInt8], _ dbx: [UInt8]) throws -> PathJudgement
  ) rethrows -> EnrolmentPlan {
    var planner = EnrolmentPlanner(goal, observed)
    planner.addSteps()
    guard planner.plan.isChange else { return planner.plan }
    let paths = try judge(planner.data(.signatureDatabase), planner.data(.forbiddenDatabase))
    planner.check(paths)
    return planner.plan
  }

  private init(_ goal: EnrolmentGoal, _ observed: EnrolmentObservation) {
    self.goal = goal
    self.observed = observed
    plan = EnrolmentPlan(time: max(observed.now, (observed.lastUpdate ?? 0) + 1), isAppend: goal.isAppend)
    plan.room = observed.room
    plan.disks = observed.disks
  }

  private func has(_ role: KeyRole) -> Bool {
    goal.missing(role, in: SignatureDatabase.readable(in: observed.lists.data(role.variable)).database).lists.isEmpty
  }

  // MARK: Steps

  private mutating func addSteps() {
    if goal.isAppend {
      addAppend()
    } else if observed.lists.setupMode == true {
      addReplacements()
    } else if !KeyRole.allCases.allSatisfy(has) {
      refuseOutsideSetupMode()
    }
    for variable in FirmwareLists.order {
      let data = data(variable)
      plan.lists.append(
        EnrolmentPlan.List(
          variable: variable, isWritten: plan.steps.contains { $0.variable == variable }, entries: entries(data)))
    }
  }

  private func entries(_ data: [UInt8]) -> [ListEntry] { ListEntry.entries(in: data, own: Array(goal.own.values)) }

  /// The data of the variable after all steps.
  private func data(_ variable: EFIVariableName) -> [UInt8] {
    let present = observed.lists.data(variable)
    guard let step = plan.steps.first(where: { $0.variable == variable }) else { return present }
    return step.attributes.contains(.appendWrite) ? present + step.payload : step.payload
  }

  private mutating func addReplacements() {
    if goal.vendor == .factory {
      let missing = [KeyRole.signatureDatabase, .keyExchangeKey].filter {
        observed.lists.factoryData($0.variable).isEmpty
      }
      guard missing.isEmpty else {
        return refuse(
          .noFactoryLists,
          "this firmware has no factory list for \(missing.map(\.name).joined(separator: " and "))",
          hint: "use --vendor keep")
      }
    }
    for variable in FirmwareLists.order {
      let role = KeyRole.allCases.first { $0.variable == variable }
      guard let wanted = role.map({ goal.content(of: $0, from: observed.lists) }) ?? restoredForbidden(),
        wanted != observed.lists.data(variable)
      else { continue }
      plan.steps.append(
        EnrolmentPlan.Step(
          variable: variable, attributes: .keyDatabase, old: observed.lists.file(variable), payload: wanted,
          authority: role?.authority ?? .keyExchangeKey, entries: entries(wanted)))
    }
  }

  /// What dbx gets if the firmware has lost it; nil if it has a content, or if none is known.
  private func restoredForbidden() -> [UInt8]? {
    guard observed.lists.data(.forbiddenDatabase).isEmpty else { return nil }
    let candidates = [observed.savedForbidden, observed.lists.factoryData(.forbiddenDatabase)]
    return candidates.first { !$0.isEmpty }
  }

  private mutating func addAppend() {
    let present = SignatureDatabase.readable(in: observed.lists.data(.signatureDatabase)).database
    let missing = goal.missing(.signatureDatabase, in: present)
    guard !missing.lists.isEmpty else { return }
    guard observed.lists.setupMode != true else {
      return refuse(
        .foreignKeyExchangeKey, "the firmware is in Setup Mode: nothing has to be added to the lists of a vendor",
        hint: "run it without --append")
    }
    guard has(.keyExchangeKey) else {
      return refuse(
        .foreignKeyExchangeKey,
        "the firmware's KEK does not contain this host's KEK, so it rejects updates that this host signs",
        hint: "enrol this host's KEK.auth or KEK.cer in the firmware's menu: pve-sb-uki enroll --stage")
    }
    let payload = missing.serialize()
    plan.steps = [
      EnrolmentPlan.Step(
        variable: .signatureDatabase, attributes: EFIVariableAttributes.keyDatabase.union(.appendWrite),
        old: observed.lists.file(.signatureDatabase), payload: payload, authority: .keyExchangeKey,
        entries: entries(observed.lists.data(.signatureDatabase) + payload))
    ]
  }

  private mutating func refuseOutsideSetupMode() {
    guard observed.lists.setupMode != nil else {
      return refuse(
        .notInSetupMode, "this firmware has no Secure Boot: the variable SetupMode does not exist", hint: nil)
    }
    let owner: Message =
      has(.platformKey)
      ? "PK is this host's"
      : "its platform key is \(names(.platformKey))"
    refuse(
      .notInSetupMode, "the firmware is not in Setup Mode: \(owner)",
      hint: has(.keyExchangeKey)
        ? "KEK is this host's, so db can be added to: pve-sb-uki enroll --firmware --append"
        : "delete PK in the firmware's menu, or enrol the keys there: pve-sb-uki enroll --stage")
  }

  private func names(_ variable: EFIVariableName) -> Message {
    let names = entries(observed.lists.data(variable)).map(\.name)
    return names.isEmpty ? "unknown" : names.joined(separator: ", ")
  }

  // MARK: Checks

  private mutating func refuse(
    _ kind: Refusal.Kind, _ message: Message, hint: Message?, risk: EnrolmentGoal.Risk? = nil
  ) {
    guard let risk else { return plan.refusals.append(Refusal(kind, message, hint: hint)) }
    guard !goal.risks.contains(risk) else {
      return plan.notes.append("\(message); accepted by --\(risk.rawValue)")
    }
    let hint = hint.map { "\($0); or accept it with --\(risk.rawValue)" as Message }
    plan.refusals.append(Refusal(kind, message, hint: hint, risk: risk))
  }

  private mutating func check(_ paths: PathJudgement) {
    if observed.isReadOnly {
      refuse(
        .readOnly, "\(EFIVariableStore.directory) is mounted read-only",
        hint: "run 'mount -o remount,rw \(EFIVariableStore.directory)'")
    }
    let needed = Set(plan.steps.map(\.authority)).intersection(observed.keysAway)
    if !needed.isEmpty {
      let files = KeyRole.allCases.filter(needed.contains).map(KeyStore.keyFile(of:)).joined(separator: ", ")
      refuse(
        .keysAway, "cannot sign the updates: \(files) missing in \(observed.keyDirectory)",
        hint: "copy the private keys back for the enrolment, and remove them again afterwards")
    }
    plan.paths = paths.changes
    for refusal in paths.refusals { refuse(refusal.kind, refusal.message, hint: refusal.hint, risk: refusal.risk) }
    plan.notes += paths.notes
    checkRoom()
    checkDisks()
    checkOptionROMs()
    noteOldCertificates()
  }

  private mutating func checkRoom() {
    let room = VariableRoom(sizes: observed.requests, enrolments: plan.steps.map(\.payload.count))
    plan.neededRoom = room.needed
    guard let available = observed.room else {
      plan.notes.append(
        "the kernel does not say how much room the firmware's variables have; Linux 6.5 and newer do")
      return
    }
    guard let finding = room.finding(available) else { return }
    let action = room.actions.first.map { action -> Message in
      switch action {
      case .run(let command): "run '\(command)'"
      case .advise(let advice): advice
      }
    }
    refuse(.variableRoom, finding.message, hint: action, risk: .variableRoom)
  }

  private mutating func checkDisks() {
    for disk in observed.disks {
      switch disk.effect {
      case .none: continue
      case .unknown(let reason):
        refuse(
          .unknownDisk, "\(disk.device): whether a TPM unlocks it is unknown: \(reason)",
          hint: "make sure that you know a passphrase of it", risk: .unlocking)
      case .stops where !disk.hasOtherKeyslot:
        refuse(
          .noOtherKeyslot,
          "\(disk.device): only the TPM can unlock it (\(disk.bindings)), and it will stop, because PCR 7 changes",
          hint: "run 'systemd-cryptenroll --recovery-key \(disk.device)'")
      case .stops:
        refuse(
          .lostUnlocking,
          "\(disk.device): the TPM stops unlocking it (\(disk.bindings)), because PCR 7 changes",
          hint:
            "keep a passphrase or recovery key at hand for the next boot, and bind the disk to the TPM again after it",
          risk: .unlocking)
      }
    }
  }

  private mutating func checkOptionROMs() {
    guard !goal.isAppend else { return }
    let kept = ListEntry.vendorCertificates(in: data(.signatureDatabase)).contains(where: \.signsOptionROMs)
    guard !kept else { return }
    let offers = [observed.lists.data(.signatureDatabase), observed.lists.factoryData(.signatureDatabase)]
    let isOffered = offers.contains { ListEntry.vendorCertificates(in: $0).contains(where: \.signsOptionROMs) }
    let hint: Message =
      isOffered
      ? "use --vendor default, which keeps Microsoft's certificates"
      : "add Microsoft's certificate that signs the card's firmware with --add-db"
    switch observed.optionROMs {
    case .absent: return
    case .loaded(let drivers):
      refuse(
        .lostOptionROM,
        """
        plug-in cards have drivers in their own firmware, which db would reject without a certificate of Microsoft: \
        \(drivers.joined(separator: ", "))
        """, hint: hint, risk: .optionROMs)
    case .unknown where goal.vendor == .none || isOffered:
      refuse(
        .lostOptionROM,
        """
        db would have no certificate for the firmware of plug-in cards, such as graphics or storage, and whether this \
        machine has such a card is unknown
        """, hint: goal.vendor == .none ? "use --vendor keep" : hint, risk: .optionROMs)
    case .unknown:
      plan.notes.append(
        """
        the firmware offers no certificates of a vendor, so db gets none: it will reject the firmware of plug-in cards, \
        if there are any
        """)
    }
  }

  private mutating func noteOldCertificates() {
    for variable in [EFIVariableName.signatureDatabase, .keyExchangeKey] {
      let known = ListEntry.vendorCertificates(in: data(variable))
      for old in VendorCertificate.allCases where known.contains(old) {
        guard let successor = old.successor, !known.contains(successor) else { continue }
        plan.notes.append("\(variable.name) keeps '\(old.rawValue)', but has no '\(successor.rawValue)'")
      }
    }
  }
}
