// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages

/// Does what a plan says, one ESP after the other, and keeps the manifest true at every step.
struct PlanExecutor: ~Copyable {
  private let host: Host
  private let plan: ApplyPlan
  private var images: ImageExecutor
  private var report: ApplyReport
  /// Opened when the first boot loader is to be written.
  private var loaders: LoaderExecutor?
  /// ESPs of which a boot loader could not be written: their boot entries then stay as they are.
  private var lackingLoader: Set<String>

  /// Carries the plan out.
  ///
  /// What one ESP cannot do does not stop the next, and the next is not touched before all that was written to the
  /// first is verified.
  static func execute(_ plan: ApplyPlan, on host: Host) -> ApplyReport {
    var executor = PlanExecutor(plan, host)
    executor.keepDefaultRecord()
    var outcome = plan.outcome
    for esp in plan.esps { outcome[esp.name] = executor.execute(esp) }
    executor.collect { $0.saveManifest() }
    executor.makeEntries(outcome)
    executor.setLoaderDefault(outcome)
    executor.performModuleSigning()
    executor.report.sortImages()
    return executor.report
  }

  private init(_ plan: ApplyPlan, _ host: Host) {
    self.host = host
    self.plan = plan
    images = ImageExecutor(plan, host)
    report = ApplyReport(of: plan)
    lackingLoader = plan.lackingLoader
  }

  /// Has `body` work on images, and takes over what it has to report.
  private mutating func collect<Value>(_ body: (inout ImageExecutor) throws -> Value) rethrows -> Value {
    defer {
      report.images += images.outcomes
      images.outcomes = []
      for failure in images.failures { fail(failure) }
      images.failures = []
    }
    return try body(&images)
  }

  /// Returns this program's images on the ESP when it is done.
  private mutating func execute(_ esp: ESPPlan) -> [UKIName] {
    report.images += esp.settled(plan)
    guard esp.isChange else { return esp.images.outcome }
    do {
      return try images.open.write(to: esp.esp) { files in
        var work = ESPWork(esp, files)
        collect { $0.execute(esp.images.steps, &work) }
        execute(esp, work)
        return Array(work.images)
      }
    } catch {
      fail(Failure(esp.name, error))
      for kernel in esp.images.written { report.images.append(ImageOutcome(kernel, on: esp.name, state: .failed)) }
      return esp.present
    }
  }

  /// What comes after the images of an ESP: the boot loaders that start them, and the entries that they replace.
  private mutating func execute(_ esp: ESPPlan, _ work: ESPWork) {
    for step in esp.loaders {
      // A copy of an image that could not be written would be one of the old.
      if case .image = step.source, esp.images.written.contains(where: { !work.inPlace.contains($0) }) { continue }
      do {
        if loaders == nil { loaders = try LoaderExecutor(plan, host) }
        try loaders?.execute(step, on: work.files) { try images.signingIdentity() }
        report.loaders.append("\(esp.name): \(step.path.dropFirst())")
      } catch {
        lackingLoader.insert(esp.name)
        fail(Failure(of: "\(esp.name): \(step.path)", error))
      }
    }
    guard !work.images.isEmpty, !lackingLoader.contains(esp.name) else { return }
    for removal in esp.removals {
      do {
        try TypeOneEntries.perform(removal, on: work.files)
      } catch {
        return fail(Failure(esp.name, error))
      }
    }
  }

  /// Whether every image is where the plan has it, and none is refused that the plan does not know of.
  private func isAsPlanned(_ outcome: [String: [UKIName]]) -> Bool {
    outcome.mapValues(Set.init) == plan.outcome.mapValues(Set.init) && images.refused == plan.refused
  }

  /// Makes the entries that were planned, or where not all images are as planned those for the images there are.
  private mutating func makeEntries(_ outcome: [String: [UKIName]]) {
    guard let goals = plan.entryGoals else { return }
    let isAsPlanned = isAsPlanned(outcome) && lackingLoader == plan.lackingLoader
    guard
      let entries = isAsPlanned
        ? plan.entries : goals.plan(for: outcome, lacking: lackingLoader, refused: images.refused)
    else { return }
    let store = EFIVariableStore(of: host.files)
    let done = BootEntryExecutor.execute(entries, on: store)
    report.entries = done.completed.map(\.message)
    for failure in done.failures { fail(Failure(failure.message, hint: failure.hint)) }
    do {
      guard let oneShot = goals.oneShot, try store.set(oneShot.variable, data: oneShot.data) else { return }
      report.entries.append("tell systemd-boot what to boot next")
    } catch {
      fail(Failure(of: "what to boot next", error))
    }
  }

  /// Before any text of ours is set, so that it is known for ours after a power cut; and a text that names an image which
  /// goes makes way for one that leads to those that stay.
  private mutating func keepDefaultRecord() {
    guard let step = plan.loaderDefault else { return }
    do {
      if step.record != LoaderDefaultRecord.load(from: host.files) { try step.record.save(to: host.files) }
      if let interim = step.interim { try LoaderDefault.setVariable(interim, in: EFIVariableStore(of: host.files)) }
    } catch {
      fail(Failure(of: "systemd-boot's default", error))
    }
  }

  private mutating func setLoaderDefault(_ outcome: [String: [UKIName]]) {
    guard let planned = plan.loaderDefault?.text else { return }
    // The image that a name stands for may not be there.
    let text = isAsPlanned(outcome) ? planned : LoaderDefault.pattern
    do {
      try LoaderDefault.setVariable(text, in: EFIVariableStore(of: host.files))
      report.entries.append(LoaderDefaultPlan.message(text))
    } catch {
      fail(Failure(of: "systemd-boot's default", error))
    }
  }

  private mutating func performModuleSigning() {
    for step in plan.moduleSigning {
      do {
        try step.perform(on: host.files)
        report.moduleSigning.append(step.message)
      } catch {
        return fail(Failure(step.path, error))
      }
    }
  }

  private mutating func fail(_ failure: Failure) {
    if !report.failures.contains(failure) { report.failures.append(failure) }
  }
}

/// One ESP while a plan is carried out on it.
struct ESPWork {
  let name: String
  /// The ESP, open for writing.
  let files: FileSystem
  /// Kernels whose image is known to be right, the newly written ones included.
  var inPlace: [Kernel]
  /// This program's images as they lie there now.
  var images: Set<UKIName>
  /// Kernels whose image was to be written but cannot be had.
  var unusable: Set<Kernel> = []

  init(_ esp: ESPPlan, _ files: FileSystem) {
    name = esp.name
    self.files = files
    inPlace = esp.images.current
    images = Set(esp.present)
  }
}
