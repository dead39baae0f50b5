// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import Findings
internal import HostSystem
internal import Messages

/// What is wrong with the boot paths of a machine.
struct PathFindings {
  let paths: [BootPath]
  let isEnforced: Bool
  let survey: ESPSurvey
  let variables: BootVariables
  var others: [SystemPartition] = []
  var preparations: [BootPath] = []
  /// The path of pve-sb-uki's newest UKI on each ESP, by the name of the ESP.
  var images: [String: String] = [:]
  /// The boot order without repetitions.
  var order: [UInt16] = []
  /// Skipped variables, files and settings, one sentence each.
  var remarks: [Message] = []
  var orderProblem: (any Error)?
  var databaseProblem: (any Error)?

  private var found: [Finding] = []

  init(paths: [BootPath], isEnforced: Bool, survey: ESPSurvey, variables: BootVariables) {
    self.paths = paths
    self.isEnforced = isEnforced
    self.survey = survey
    self.variables = variables
  }

  /// All findings, in the order of `FindingKind`.
  mutating func all() -> [Finding] {
    addProblems()
    addBlocked()
    addBroken()
    addUndecided()
    addOthersFirst()
    addUnreachable()
    addDuplicates()
    for remark in remarks { found.append(Finding(.remark, remark)) }
    let rank = Dictionary(FindingKind.allCases.enumerated().map { ($1, $0) }) { first, _ in first }
    return found.enumerated().sorted { left, right in
      (rank[left.element.kind] ?? 0, left.offset) < (rank[right.element.kind] ?? 0, right.offset)
    }.map(\.element)
  }

  private mutating func addProblems() {
    if let databaseProblem {
      found.append(Finding(.chainUnusable, Failure(of: "the firmware's key lists", databaseProblem)))
    }
    if let orderProblem { found.append(Finding(.bootPathBroken, Failure(of: "the boot order", orderProblem))) }
  }

  // MARK: Paths that do not start

  private mutating func addBlocked() {
    let candidates = paths.filter { $0.steps.first?.program != .firmware && $0.outcome != .skipped }
    guard !candidates.contains(where: \.mayStart) else { return }
    let canHaveEntries = survey.esps.isEmpty || survey.esps.contains { $0.location != nil }
    let isRejected = candidates.contains { $0.leadsToUKI && $0.outcome == .rejected }
    found.append(
      Finding(
        .noBootPath,
        paths.isEmpty
          ? "this machine has no boot entry and no program at the removable path"
          : "no boot path of this machine leads to a program that starts",
        arguments: ["paths": .integer(paths.count)],
        // Entries do not help against a rejection.
        actions: (isRejected ? [] : [canHaveEntries ? .run("pve-sb-uki apply") : Self.writeRemovablePath])
          + [.advise("before the next boot, repair a path, or turn Secure Boot off in the firmware's setup menu")]))
  }

  private static let writeRemovablePath = Finding.Action.run(
    "pve-sb-uki config set Removable yes && pve-sb-uki apply")

  /// The paths that the firmware tries before the first one that starts a UKI of pve-sb-uki, or any program.
  private var first: Int? {
    paths.firstIndex { $0.outcome == .starts && $0.leadsToUKI }
      ?? paths.firstIndex { $0.outcome == .starts && $0.steps.first?.program != .firmware }
  }

  /// More broken entries than an administrator wants to read about one by one.
  private static let brokenLimit = 16

  private mutating func addBroken() {
    var reported: Set<UInt16> = []
    var omitted = 0
    for (index, path) in paths.enumerated() {
      guard path.outcome == .broken || path.outcome == .rejected, let number = path.number else { continue }
      guard path.isOurs || index < first ?? paths.count else { continue }
      guard reported.insert(number).inserted, let step = path.failing else { continue }
      guard reported.count <= Self.brokenLimit else {
        omitted += 1
        continue
      }
      let verb: Message = path.outcome == .rejected ? "is rejected" : "leads nowhere"
      let object: Message = step.place.map { "\(step.program.word), \($0)" } ?? step.program.word
      let message: Message =
        step.program == .unknown && step.path == nil
        ? "\(path.name) \(verb): \(step.reason)" : "\(path.name) \(verb): \(object): \(step.reason)"
      found.append(
        Finding(
          .bootPathBroken, message, arguments: arguments(path),
          actions: repair(of: path, number)))
    }
    if omitted > 0 {
      found.append(
        Finding(
          .bootPathBroken, "\(omitted) more boot entries do not start", arguments: ["count": .integer(omitted)],
          actions: [.advise("list them with: pve-sb-uki boot check --verbose")]))
    }
    for path in preparations.prefix(Self.brokenLimit) where path.outcome == .broken || path.outcome == .rejected {
      let reason = path.failing?.reason ?? "its variable is missing or damaged"
      found.append(Finding(.remark, "\(path.name) does not start: \(reason)", arguments: arguments(path)))
    }
  }

  private func repair(of path: BootPath, _ number: UInt16) -> [Finding.Action] {
    if path.isOurs {
      switch path.failing?.verdict {
      case .missing: return [.run("pve-sb-uki apply")]
      case .damaged: return [.run("pve-sb-uki apply --force")]
      default: return [.advise("the reason and the next step are in: pve-sb-uki status")]
      }
    }
    if case .next = path.origin { return [.run("efibootmgr --delete-bootnext")] }
    return number == variables.current
      ? [
        .advise(
          "boot from another entry, then remove it with: pve-sb-uki boot forget \(BootPath.name(ofEntry: number))")
      ]
      : [.run("pve-sb-uki boot forget \(BootPath.name(ofEntry: number))")]
  }

  private func arguments(_ path: BootPath) -> KeyValuePairs<String, JSONValue> {
    [
      "path": .string(path.name.description), "entry": JSONValue(path.number.map { BootPath.name(ofEntry: $0) }),
      "file": JSONValue(path.failing?.path ?? path.steps.last?.path),
      "partition": JSONValue(path.failing?.partition ?? path.steps.last?.partition),
    ]
  }

  private mutating func addUndecided() {
    var reported: Set<UInt16> = []
    for (index, path) in paths.enumerated() where path.outcome == .depends && index <= first ?? paths.count {
      guard let step = path.failing, path.number.map({ reported.insert($0).inserted }) ?? true else { continue }
      found.append(
        Finding(
          .bootPathDepends, "whether \(path.name) starts depends on the firmware: \(step.reason)",
          arguments: arguments(path), actions: [.advise("check the firmware's version, or run: pve-sb-uki apply")]))
    }
  }

  // MARK: Order

  /// Paths of other programs before the first one that starts a UKI of pve-sb-uki.
  private mutating func addOthersFirst() {
    let own = paths.firstIndex { $0.outcome == .starts && $0.leadsToUKI && $0.isInOrder }
    var reported: Set<UInt16> = []
    for (index, path) in paths.enumerated() {
      guard let number = path.number, path.isInOrder, !path.leadsToUKI,
        path.outcome == .starts || path.outcome == .depends,
        let last = path.steps.last
      else { continue }
      let isBefore = own.map { index < $0 } ?? false
      let hasUKI = path.alternatives.contains { $0.program == .ownImage && $0.verdict == .starts }
      let isUnsigned = last.program == .kernel
      guard isBefore || isUnsigned && hasUKI && own == nil, last.program != .firmware, last.program != .fwupd,
        reported.insert(number).inserted
      else { continue }
      let message: Message =
        isUnsigned
        ? "\(path.name) starts before the UKIs, and its initrd and command line are not signed (\(path.programs))"
        : "\(path.name) starts before the UKIs: \(path.programs)"
      let isNext = path.origin == .next(number)
      found.append(
        Finding(
          isUnsigned ? .unsignedEntryFirst : .foreignEntryFirst, message, arguments: arguments(path),
          actions: [.run(isNext ? "efibootmgr --delete-bootnext" : "pve-sb-uki apply")]))
    }
  }

  // MARK: ESPs

  /// ESPs to which no boot entry can lead.
  private mutating func addUnreachable() {
    for esp in survey.esps where esp.location == nil {
      guard let problem = esp.locationProblem else { continue }
      let members = esp.members.filter(\.isReadableByFirmware)
      let leading = paths.filter { $0.leadsToUKI && $0.mayStart }
      let own = leading.filter { $0.steps.first?.partition == esp.name }
      let reached: Message =
        if !own.isEmpty {
          "its UKI is reached by: \(own.map(\.name).joined(separator: ", "))"
        } else if !leading.isEmpty {
          "UKIs are reached on other ESPs by: \(leading.map(\.name).joined(separator: ", "))"
        } else {
          "no other path leads to a UKI"
        }
      var actions: [Finding.Action] = []
      if own.isEmpty, let image = images[esp.name] {
        actions = members.map { .run(Self.creation(of: image, on: $0)) }
      }
      if own.isEmpty { actions.append(Self.writeRemovablePath) }
      if let hint = problem.hint { actions.append(.advise(hint)) }
      found.append(
        Finding(
          // Nothing has to be done if its UKI starts anyway.
          own.isEmpty ? .espWithoutEntry : .remark,
          "\(esp.name) cannot have boot entries: \(problem.message); \(reached)",
          arguments: [
            "partition": .string(esp.name), "reachable": .boolean(!own.isEmpty),
            "members": JSONValue(members.map(\.location.name)),
          ], actions: actions))
    }
  }

  /// The command that creates an entry for a file on a member of an array.
  private static func creation(of image: String, on member: ArrayMember) -> Message {
    let path = String(image.map { $0 == "/" ? "\\" : $0 })
    return Message(
      verbatim: """
        efibootmgr --create --disk \(member.disk) --part \(member.location.number) --label 'Proxmox VE' \
        --loader '\(path)'
        """)
  }

  // MARK: Copies of disks

  /// Partitions of several disks with the same GUID, and entries that name them.
  private mutating func addDuplicates() {
    let own = survey.esps.compactMap { esp in esp.location.map { (device: esp.device ?? esp.path, location: $0) } }
    let all = own + others.map { (device: $0.device, location: $0.location) }
    var reported: Set<String> = []
    for partition in all {
      let same = all.filter { $0.location.isSamePartition(as: partition.location) }
      guard same.count > 1, reported.insert(partition.location.name).inserted else { continue }
      found.append(
        Finding(
          .duplicateEntries,
          """
          \(same.map(\.device).joined(separator: ", ")) have the same partition GUID \(partition.location.name); the \
          firmware cannot distinguish their boot entries
          """,
          arguments: ["partition": .string(partition.location.name), "devices": JSONValue(same.map(\.device))],
          actions: [.advise("give the copy new GUIDs with 'sgdisk --randomize-guids' while it is not in use")]))
    }
    addEqualEntries()
  }

  /// Entries that start the same file, with the same data, on what looks like two places.
  private mutating func addEqualEntries() {
    var entries: [DevicePath.File: [UInt16]] = [:]
    for number in order {
      guard let option = variables[number]?.option, var file = option.file else { continue }
      file.path = file.path.lowercased()
      file.partition.startBlock = 0
      file.partition.blockCount = 0
      entries[file, default: []].append(number)
    }
    for (file, numbers) in entries.sorted(by: { $0.value[0] < $1.value[0] }) where numbers.count > 1 {
      let places = Set(numbers.compactMap { variables[$0]?.option?.file?.partition })
      guard places.count > 1 else { continue }
      let names = numbers.map { BootPath.name(ofEntry: $0) }
      found.append(
        Finding(
          .duplicateEntries,
          "\(names.joined(separator: ", ")) name the same partition GUID \(file.partition.name) at different places",
          arguments: ["partition": .string(file.partition.name), "entries": JSONValue(names)],
          actions: [.advise("check which disk is a copy, and give it new GUIDs with 'sgdisk --randomize-guids'")]))
    }
  }
}

extension BootPath {
  /// Whether it starts, or may start.
  var mayStart: Bool {
    switch outcome {
    case .starts, .depends: true
    case .unknown: ![.network, .firmware].contains(steps.last?.program)
    case .rejected, .broken, .skipped: false
    }
  }

  /// Whether it is BootNext or in the boot order.
  var isInOrder: Bool {
    switch origin {
    case .next, .entry: true
    case .driver, .preparation, .removable: false
    }
  }
}
