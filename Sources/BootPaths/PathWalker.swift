// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot

/// Follows boot paths from what the firmware starts to the last program that can be known.
final class PathWalker {
  private let partitions: PartitionFiles
  private let judge: ProgramJudge
  private let store: EFIVariableStore
  private let machine: Machine
  private let loaders: LoaderPath
  private let esps: [ESP]
  /// Skipped files and settings, one sentence each, without repetitions.
  private(set) var notes: [Message] = []
  private var menus: [String: (menu: SystemdBootMenu, choice: SystemdBootChoice)] = [:]
  /// Files that may still be examined for menus, apart from those that start by default.
  private var alternativesLeft = 128

  /// More programs than start each other on any machine; a loop ends here.
  private static let depthLimit = 6

  init(
    _ partitions: PartitionFiles, judge: ProgramJudge, variables store: EFIVariableStore, machine: Machine, esps: [ESP]
  ) {
    self.partitions = partitions
    self.judge = judge
    self.store = store
    self.machine = machine
    loaders = LoaderPath(machine)
    self.esps = esps
  }

  /// Follows a load option.
  func follow(_ option: LoadOption, into path: inout BootPath) {
    switch DeviceTarget(option.paths.first) {
    case .file(let location, let file):
      start(file, at: location, option, &path)
    case .removable(let location):
      start(loaders.removable, at: location, option, &path)
    case .anywhere(let file):
      let volumes = allVolumes
      guard let volume = volumes.first(where: { (try? $0.open(file)).flatMap { $0 } != nil }) ?? volumes.first else {
        return end(&path, file, nil, .unknown, "no ESP of this machine can be read")
      }
      walk(file, on: volume, by: .firmware, optionalData: option.optionalData, depth: 0, &path)
    case .device:
      end(&path, .device, .unknown, "the firmware starts the removable path of the device that it finds")
    case .network: end(&path, .network, .unknown, "the program comes from the network")
    case .firmware: end(&path, .firmware, .starts, "the firmware starts its own programs regardless of signatures")
    case .invalid(let reason): end(&path, .unknown, .missing, reason)
    case .unknown: end(&path, .unknown, .unknown, "its device path is of an unknown kind")
    }
    settle(&path)
  }

  /// Follows the removable path of an ESP.
  func followRemovable(on volume: Volume, into path: inout BootPath) {
    walk(loaders.removable, on: volume, by: .firmware, depth: 0, &path)
    settle(&path)
  }

  /// Whether the ESP has a removable path.
  func hasRemovable(_ volume: Volume) -> Bool { (try? volume.open(loaders.removable)).flatMap { $0 } != nil }

  private var allVolumes: [Volume] {
    let places = esps.map { partitions.place($0) } + partitions.others.map { partitions.place($0.location) }
    return places.compactMap { if case .found(let volume) = $0 { volume } else { nil } }
  }

  private func start(_ file: String, at location: PartitionLocation, _ option: LoadOption, _ path: inout BootPath) {
    switch partitions.place(location) {
    case .found(let volume):
      walk(file, on: volume, by: .firmware, optionalData: option.optionalData, depth: 0, &path)
    case .missing(let reason): end(&path, file, location.name, .missing, reason)
    case .unreadable(let reason): end(&path, file, location.name, .unknown, reason)
    }
  }

  private func end(
    _ path: inout BootPath, _ program: BootStep.Program, _ verdict: BootStep.Verdict, _ reason: Message
  ) {
    path.steps.append(BootStep(program: program, verdict: verdict, reason: reason))
  }

  private func end(
    _ path: inout BootPath, _ file: String, _ partition: String?, _ verdict: BootStep.Verdict, _ reason: Message
  ) {
    path.steps.append(
      BootStep(program: .unknown, path: file, partition: partition, verdict: verdict, reason: reason))
  }

  // MARK: Programs

  private func walk(
    _ file: String, on volume: Volume, by starter: ProgramJudge.Starter, optionalData: [UInt8] = [], depth: Int,
    as known: BootStep.Program? = nil, _ path: inout BootPath
  ) {
    guard depth < Self.depthLimit else {
      return end(&path, file, volume.name, .unknown, "the programs before it start each other in a loop")
    }
    var found = judge.examine(file, on: volume, by: starter)
    if let known { found.step.program = known }
    path.steps.append(found.step)
    guard let program = found.file else { return }
    switch found.step.program {
    case .shim: walkShim(program, file, on: volume, optionalData, depth, &path)
    case .systemdBoot: walkMenu(on: volume, starter, depth, &path)
    case .grub: note(Self.grubNote(file, on: volume), &path)
    case .kernel: note("its initrd and command line are not signed", &path)
    case .fallback: note("it recreates boot entries from the files BOOT*.CSV, then starts one of them", &path)
    default: break
    }
  }

  private func note(_ note: Message, _ path: inout BootPath) { path.steps[path.steps.count - 1].note = note }

  /// What shim starts: its fallback from the removable path, otherwise the file in the load option or its default.
  private func walkShim(
    _ program: File, _ file: String, on volume: Volume, _ optionalData: [UInt8], _ depth: Int, _ path: inout BootPath
  ) {
    let starter = ProgramJudge.Starter(route: .shim, shim: judge.shim(program, file, on: volume))
    func exists(_ path: String) -> Bool { (try? volume.open(path)).flatMap { $0 } != nil }
    let directory = PathName(file).directory
    let manager = PathName.join(directory, "mm\(machine.efiName).efi")
    path.mokManager = judge.examine(manager, on: volume, by: starter).step
    let defaultLoader = PathName.join(directory, "grub\(machine.efiName).efi")
    let isRemovable = file.lowercased().hasPrefix("/efi/boot/boot") && file.lowercased().hasSuffix(".efi")
    if isRemovable, exists(loaders.removableFallback) {
      return walk(loaders.removableFallback, on: volume, by: starter, depth: depth + 1, as: .fallback, &path)
    }
    var second = defaultLoader
    if case .file(let wanted) = ShimOption(parsing: optionalData, shim: file) {
      if exists(wanted) || !exists(defaultLoader) {
        second = wanted
      } else {
        note("shim starts its default, because \(wanted) does not exist", &path)
      }
    }
    walk(second, on: volume, by: starter, depth: depth + 1, &path)
  }

  /// systemd-boot's default entry, and the others in its menu.
  private func walkMenu(on volume: Volume, _ starter: ProgramJudge.Starter, _ depth: Int, _ path: inout BootPath) {
    let (menu, choice) = menu(on: volume)
    guard let index = choice.index(in: menu) else {
      return end(&path, .unknown, .missing, "systemd-boot finds no entry on \(volume.name)")
    }
    let next = ProgramJudge.Starter(route: starter.route == .firmware ? .firmware : .loader, shim: starter.shim)
    let chosen = menu.entries[index]
    walk(chosen.program, on: volume, by: next, depth: depth + 1, &path)
    describe(chosen, &path.steps[path.steps.count - 1])
    guard path.alternatives.isEmpty else { return }
    for (other, entry) in menu.entries.enumerated() where other != index && alternativesLeft > 0 {
      // Reading the kernels of other entries takes long.
      guard judge.readsAll || UKIName(fileName: entry.id) != nil else { continue }
      alternativesLeft -= 1
      var step = judge.examine(entry.program, on: volume, by: next).step
      describe(entry, &step)
      path.alternatives.append(step)
    }
  }

  private func describe(_ entry: SystemdBootMenu.Entry, _ step: inout BootStep) {
    if let missing = entry.missing.first, step.verdict == .starts {
      step.verdict = .missing
      step.reason = "its initrd \(missing) does not exist"
    }
    if entry.isTypeOne, step.program == .kernel { step.note = "its initrd and command line are not signed" }
    if entry.triesLeft == 0 { step.note = "all its tries to boot are used up" }
  }

  private func menu(on volume: Volume) -> (menu: SystemdBootMenu, choice: SystemdBootChoice) {
    if let known = menus[volume.name] { return known }
    let menu = SystemdBootMenu(on: volume, machine: machine.efiName)
    let choice = SystemdBootChoice(variables: store, on: volume)
    for note in menu.notes + choice.notes where !notes.contains(note) { notes.append(note) }
    menus[volume.name] = (menu, choice)
    return (menu, choice)
  }

  /// What GRUB starts is decided by text that is not signed.
  private static func grubNote(_ file: String, on volume: Volume) -> Message {
    let settings = PathName.join(PathName(file).directory, "grub.cfg")
    let isThere = (try? volume.open(settings)).flatMap { $0 } != nil
    return isThere
      ? "GRUB starts what \(settings) says; initrd and command line are not signed"
      : "GRUB starts what its grub.cfg says; initrd and command line are not signed"
  }

  // MARK: Outcome

  /// Decides the outcome from the steps.
  func settle(_ path: inout BootPath) {
    path.outcomeIfEnforced = Self.outcome(of: path.steps, isEnforced: true)
    path.outcome = judge.isEnforced ? path.outcomeIfEnforced : Self.outcome(of: path.steps, isEnforced: false)
  }

  private static func outcome(of steps: [BootStep], isEnforced: Bool) -> BootPath.Outcome {
    var outcome = steps.isEmpty ? BootPath.Outcome.unknown : .starts
    for step in steps {
      switch step.verdict {
      case .starts: continue
      case .missing, .damaged: return .broken
      case .rejected where isEnforced: return .rejected
      case .depends where isEnforced: outcome = .depends
      case .rejected, .depends: continue
      case .unknown: return .unknown
      }
    }
    return outcome
  }
}
