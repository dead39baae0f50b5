// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
internal import EFIData
package import Findings
package import HostSystem
internal import Messages
internal import PortableExecutable
package import SecureBoot

/// Every boot path of this machine, and what is wrong with them.
///
/// Changes nothing.
package struct BootPathSurvey: Sendable {
  package struct Options: Sendable {
    /// Whether to read pve-sb-uki's own UKIs, too; otherwise the manifest's digests of unchanged files are used.
    package var readsAll = false
    /// Files that are known not to match the manifest, by the name of the ESP and path; they are read.
    package var damaged: [(esp: String, path: String)] = []
    /// Whether to follow entries outside the boot order, too; the result is in `everyEntry`.
    package var followsEveryEntry = false
    /// The lists to judge with instead of those that the firmware has now.
    package var database: TrustDatabase?

    package init() {}
  }

  /// In the order in which the firmware tries them: BootNext, the boot order, the removable paths.
  package internal(set) var paths: [BootPath] = []
  /// With `followsEveryEntry`: all entries, in boot order and then by number, as if the firmware tried each of them.
  package internal(set) var everyEntry: [BootPath] = []
  /// Drivers and programs that the firmware starts before that.
  package internal(set) var preparations: [BootPath] = []
  /// In the order of `FindingKind`.
  package internal(set) var findings: [Finding] = []
  /// Whether Secure Boot rejects programs at present.
  package internal(set) var isEnforced = false

  /// The path by which the machine starts next, as far as that can be known; nil if none starts.
  package var next: BootPath? {
    paths.first { ($0.outcome == .starts || $0.outcome == .depends) && $0.steps.first?.program != .firmware }
  }

  /// Whether a path that the firmware tries before `next` could not be examined.
  package var isUncertain: Bool {
    for path in paths {
      if path.outcome == .starts || path.outcome == .depends { return false }
      if path.mayStart { return true }
    }
    return false
  }

  /// More numbers than firmware keeps in an order.
  private static let orderLimit = 2048

  /// Follows all paths.
  ///
  /// `survey` has the host's ESPs. Throws `EFIVariableError` without firmware variables, `HostError` if the host cannot
  /// be read. Damaged variables and files are findings.
  package init(of host: Host, _ survey: ESPSurvey, options: Options = Options()) throws {
    let store = host.variables
    let (variables, orderProblem) = try BootVariables.readable(in: store)
    let database = Result { try options.database ?? TrustDatabase(readingFrom: store) }
    let machine = try host.machine
    let (manifest, _) = Manifest.load(from: host.files)
    let partitions = PartitionFiles(host, survey)
    let judge = ProgramJudge(
      database, machine: machine, manifest: manifest, readsAll: options.readsAll, progress: host.progress,
      damaged: Set(options.damaged.map { ProgramJudge.key($0.esp, $0.path) }))
    let walker = PathWalker(partitions, judge: judge, variables: store, machine: machine, esps: survey.esps)
    isEnforced = judge.isEnforced
    var reader = EntryReader(variables, survey: survey, walker: walker)
    if let next = variables.next { paths.append(reader.path(.next(next))) }
    var seen: Set<UInt16> = []
    let order = variables.order.filter { seen.insert($0).inserted }
    for number in order.prefix(Self.orderLimit) { paths.append(reader.path(.entry(number))) }
    if options.followsEveryEntry {
      let others = variables.entries.map(\.number).filter { !seen.contains($0) }
      everyEntry = (order + others).prefix(Self.orderLimit).map { number in
        var path = reader.path(.next(number))
        path.origin = .entry(number)
        return path
      }
    }
    preparations = Self.preparations(store, walker)
    addRemovablePaths(survey, partitions, walker)

    var findings = PathFindings(paths: paths, isEnforced: isEnforced, survey: survey, variables: variables)
    findings.others = partitions.others
    findings.preparations = preparations
    findings.order = order
    findings.images = Self.newestImages(manifest)
    findings.remarks = variables.problems + walker.notes
    if order.count > Self.orderLimit {
      findings.remarks.append(
        "the boot order has \(order.count) entries; only the first \(Self.orderLimit) are examined")
    }
    findings.orderProblem = orderProblem
    if case .failure(let error) = database { findings.databaseProblem = error }
    self.findings = findings.all()
  }

  /// The path of the newest UKI on each ESP, by the name of the ESP.
  private static func newestImages(_ manifest: Manifest) -> [String: String] {
    let copies = manifest.images.flatMap(\.copies).filter { !$0.name.isPrevious }
    return Dictionary(grouping: copies, by: \.esp).compactMapValues { copies in
      copies.map(\.name).max { LoaderVersion.isOlder($0.fileName, than: $1.fileName) }?.path
    }
  }

  /// The removable path of each ESP that has one, first those of the host's list.
  private mutating func addRemovablePaths(_ survey: ESPSurvey, _ partitions: PartitionFiles, _ walker: PathWalker) {
    let places =
      survey.esps.map { partitions.place($0) } + partitions.others.prefix(16).map { partitions.place($0.location) }
    for case .found(let volume) in places where walker.hasRemovable(volume) {
      var path = BootPath(.removable(volume.name))
      walker.followRemovable(on: volume, into: &path)
      paths.append(path)
    }
  }

  /// Driver#### and SysPrep####, in their orders.
  private static func preparations(_ store: EFIVariableStore, _ walker: PathWalker) -> [BootPath] {
    let kinds: [(EFIVariableName, (UInt16) -> EFIVariableName, (UInt16) -> BootPath.Origin)] = [
      (.driverOrder, EFIVariableName.driverOption, BootPath.Origin.driver),
      (.systemPreparationOrder, EFIVariableName.systemPreparationOption, BootPath.Origin.preparation),
    ]
    func data(_ variable: EFIVariableName) -> [UInt8]? {
      (try? store.read(variable.fileName)).flatMap { $0 }.flatMap { try? EFIVariableContent(parsing: $0).data }
    }
    var paths: [BootPath] = []
    for (order, variable, origin) in kinds {
      guard let numbers = data(order).flatMap({ try? BootOrder(parsing: $0).numbers }) else { continue }
      var seen: Set<UInt16> = []
      for number in numbers.prefix(orderLimit) where seen.insert(number).inserted {
        var path = BootPath(origin(number))
        let option = data(variable(number)).flatMap { try? LoadOption(parsing: $0) }
        EntryReader.describe(option, &path)
        if let option, option.attributes.contains(.active) {
          walker.follow(option, into: &path)
        } else {
          path.outcome = option == nil ? .broken : .skipped
          path.outcomeIfEnforced = path.outcome
        }
        paths.append(path)
      }
    }
    return paths
  }
}

/// Turns boot entries into paths; an entry that is named twice is followed once.
struct EntryReader {
  private let entries: [UInt16: BootVariables.Entry]
  private let current: UInt16?
  private let survey: ESPSurvey
  private let walker: PathWalker
  private var known: [UInt16: BootPath] = [:]

  init(_ variables: BootVariables, survey: ESPSurvey, walker: PathWalker) {
    entries = Dictionary(variables.entries.map { ($0.number, $0) }) { first, _ in first }
    current = variables.current
    self.survey = survey
    self.walker = walker
  }

  mutating func path(_ origin: BootPath.Origin) -> BootPath {
    var path = BootPath(origin)
    guard let number = path.number else { return path }
    if var known = known[number] {
      known.origin = origin
      if known.outcome != .skipped { return known }
    }
    let entry = entries[number]
    path.isCurrent = number == current
    path.isOurs = entry.map(isOurs) ?? false
    Self.describe(entry?.option, &path)
    guard let option = entry?.option else {
      path.outcome = .broken
      path.outcomeIfEnforced = .broken
      path.steps = [
        BootStep(
          program: .unknown, verdict: .missing,
          reason: entry == nil ? "the entry does not exist" : "the entry is damaged")
      ]
      known[number] = path
      return path
    }
    // BootNext also starts inactive entries (edk2, BdsEntry.c).
    let isTried = option.attributes.contains(.active) && option.attributes.isDisjoint(with: .category)
    if case .entry = origin, !isTried {
      path.outcome = .skipped
      path.outcomeIfEnforced = .skipped
    } else {
      walker.follow(option, into: &path)
    }
    known[number] = path
    return path
  }

  static func describe(_ option: LoadOption?, _ path: inout BootPath) {
    guard let option else { return }
    path.label = String(option.description.prefix(200))
    path.devicePath = option.paths.first.map { String($0.description.prefix(2000)) }
  }

  private func isOurs(_ entry: BootVariables.Entry) -> Bool {
    guard let file = entry.option?.file, file.isInOurNameSpace else { return false }
    return survey.esps.contains { esp in
      esp.location?.isSamePartition(as: file.partition) == true
        || esp.members.contains { $0.location.isSamePartition(as: file.partition) }
    }
  }
}
