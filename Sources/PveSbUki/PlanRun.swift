// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import SigningKeys
internal import UnifiedKernelImage

/// Does what a plan says, one partition after the other, and keeps the manifest true at every step.
struct PlanRun {
  let host: Host
  let configuration: Configuration
  let commandLines: CommandLines
  let partitions: [EFISystemPartition]
  let open: OpenPartitions
  let plan: Plan
  var manifest: Manifest
  var result: Apply.Result
  /// By kernel: what images are made of, opened once. A kernel whose inputs or key are not usable has an error.
  var parts: [Kernel: Result<ApplyInputs.Open, any Error>] = [:]
  /// Partitions of which a boot loader could not be written: their boot entries then stay as they are.
  private var lackingLoader: Set<String>
  /// Digests of the images that this run has made.
  var made: [Kernel: [UInt8]] = [:]
  /// Images that the firmware would refuse, those that this run has made among them.
  var refused: Set<ImageName>
  let forbiddenDigests: Set<[UInt8]>
  private var loadedIdentity: Result<SigningIdentity, any Error>?

  private init(_ planner: Planner) {
    host = planner.host
    configuration = planner.configuration
    commandLines = planner.commandLines
    partitions = planner.survey.partitions
    open = planner.open
    plan = planner.plan
    manifest = planner.manifest
    lackingLoader = planner.lackingLoader
    refused = planner.plan.refused
    forbiddenDigests = planner.forbiddenDigests
    result = Apply.Result(plan: planner.plan, notes: planner.plan.notes, failures: planner.plan.failures)
  }

  /// Carries the plan out. What one partition cannot do does not stop the next, and the next is not touched before all
  /// that was written to the first is verified.
  static func perform(_ planner: Planner) throws -> Apply.Result {
    var run = PlanRun(planner)
    var images = planner.plan.images
    run.keepDefaultRecord(planner)
    for step in planner.plan.partitions {
      for image in step.settled(planner.plan) { run.result.images.append(image) }
      guard step.isChange, let partition = run.partitions.first(where: { $0.name == step.name }) else {
        continue
      }
      let before = Set(planner.states[step.name]?.images.filter(\.isOurs).map(\.name) ?? [])
      do {
        images[step.name] = try run.open.write(to: partition) { files in
          var work = PartitionWork(partition, files, inPlace: step.images.current, images: before)
          run.perform(step.images.steps, &work)
          run.perform(step, planner.loaders, work)
          return Array(work.images)
        }
      } catch {
        run.fail(Failure(partition.name, error))
        for case .write(let kernel, _) in step.images.steps { run.report(kernel, partition, .failed) }
        images[step.name] = Array(before)
      }
    }
    run.saveManifest()
    if let entryPlanner = planner.entryPlanner {
      run.makeEntries(entryPlanner, images, isAsPlanned: run.lackingLoader == planner.lackingLoader)
    }
    run.setLoaderDefault(isAsPlanned: images.mapValues(Set.init) == planner.plan.images.mapValues(Set.init))
    run.performModuleSigning()
    run.result.sortImages(planner.plan)
    return run.result
  }

  private mutating func performModuleSigning() {
    for step in plan.moduleSigning {
      do {
        try step.perform(on: host.files)
        result.moduleSigning.append(step.message)
      } catch {
        return fail(Failure(step.path, error))
      }
    }
  }

  /// Makes the entries that were planned, or where not all images are as planned those for the images there are.
  private mutating func makeEntries(
    _ planner: EntryPlanner, _ images: [String: [ImageName]], isAsPlanned: Bool
  ) {
    let isAsPlanned =
      isAsPlanned && images.mapValues(Set.init) == plan.images.mapValues(Set.init) && refused == plan.refused
    guard
      let entries = isAsPlanned
        ? plan.entries : planner.plan(for: images, lacking: lackingLoader, refused: refused)
    else { return }
    let outcome = entries.perform(on: planner.store)
    result.entries = outcome.completed.map(\.message)
    for failure in outcome.failures { fail(Failure(failure.message, hint: failure.hint)) }
    do {
      guard let oneShot = try planner.missingOneShot() else { return }
      try planner.store.write(oneShot.fileName, oneShot.content, replacing: oneShot.old)
      result.entries.append("tell systemd-boot what to boot next")
    } catch {
      fail(Failure(of: "what to boot next", error))
    }
  }

  /// Before any text of ours is set, so that it is known for ours after a power cut; and a text that names an image which
  /// goes makes way for one that leads to those that stay.
  private mutating func keepDefaultRecord(_ planner: Planner) {
    guard let step = plan.loaderDefault else { return }
    do {
      if step.record != LoaderDefaultRecord.load(from: host.files) { try step.record.save(to: host.files) }
      if let interim = step.interim { try LoaderDefault.setVariable(interim, in: EFIVariableStore(of: host.files)) }
    } catch {
      fail(Failure(of: "systemd-boot's default", error))
    }
  }

  private mutating func setLoaderDefault(isAsPlanned: Bool) {
    guard let planned = plan.loaderDefault?.text else { return }
    // The image that a name stands for may not be there.
    let text = isAsPlanned && refused == plan.refused ? planned : LoaderDefault.pattern
    do {
      try LoaderDefault.setVariable(text, in: EFIVariableStore(of: host.files))
      result.entries.append(LoaderDefaultPlan.message(text))
    } catch {
      fail(Failure(of: "systemd-boot's default", error))
    }
  }

  /// What comes after the images of a partition: the boot loaders that start them, and the entries that they replace.
  private mutating func perform(_ step: Plan.Partition, _ loaders: LoaderFiles?, _ work: PartitionWork) {
    for loader in step.loaders.steps {
      // A copy of an image that could not be written would be one of the old.
      if case .image = loader.source, step.images.written.contains(where: { !work.inPlace.contains($0) }) { continue }
      do {
        guard let loaders else { throw Failure("the chain is not known") }
        try loaders.perform(loader, on: work.files) { try signingIdentity() }
        result.loaders.append("\(work.partition.name): \(loader.path.dropFirst())")
      } catch {
        lackingLoader.insert(work.partition.name)
        fail(Failure(of: "\(work.partition.name): \(loader.path)", error))
      }
    }
    guard !work.images.isEmpty, !lackingLoader.contains(work.partition.name) else { return }
    for removal in step.removals {
      do {
        try TypeOneEntries.perform(removal, on: work.files)
      } catch {
        return fail(Failure(work.partition.name, error))
      }
    }
  }

  private mutating func perform(_ steps: [PartitionPlan.Step], _ work: inout PartitionWork) {
    let kernels = steps.compactMap { if case .write(let kernel, _) = $0 { kernel } else { nil } }
    for kernel in kernels where !canWrite(kernel) { work.unusable.insert(kernel) }
    for (index, step) in steps.enumerated() {
      do {
        switch step {
        case .sweep(let path): try work.files.remove(path)
        case .write(let kernel, let keepsPrevious): try write(kernel, keepsPrevious, &work)
        case .remove(let name, let reason):
          let writesAhead = steps[index...].contains { if case .write = $0 { true } else { false } }
          // Nothing makes room for an image that cannot be made, and the last one stays until another is in place.
          let isSafe = writesAhead ? work.unusable.isEmpty : !work.inPlace.isEmpty
          if isSafe { try remove(name, reason, &work) } else { report(name.kernel, work.partition, .kept) }
        }
      } catch {
        if case .write(let kernel, _) = step { report(kernel, work.partition, .failed) }
        fail(Failure(adopting: error, of: "\(work.partition.name)"))
      }
    }
  }

  private mutating func remove(_ name: ImageName, _ reason: PartitionPlan.Reason, _ work: inout PartitionWork) throws {
    try work.files.remove(name.path)
    work.images.remove(name)
    manifest.remove(name, on: work.partition.name)
    saveManifest()
    if !name.isPrevious, reason != .room { report(name.kernel, work.partition, .removed) }
  }

  mutating func signingIdentity() throws -> SigningIdentity {
    if loadedIdentity == nil {
      let source = KeySource(key: configuration.key, certificate: configuration.certificate, isHostPath: true)
      loadedIdentity = Result { try source.load(from: host) }
    }
    guard let identity = try loadedIdentity?.get() else { throw Failure("there is no signing key") }
    return identity
  }

  /// Without the record of an image the next run has to read it; without its boot entry it would not boot. So what is
  /// to be done goes on.
  mutating func saveManifest() {
    do {
      try manifest.save(to: host.files)
    } catch {
      fail(Failure(Manifest.path, error))
    }
  }

  mutating func fail(_ failure: Failure) {
    if !result.failures.contains(failure) { result.failures.append(failure) }
  }

  mutating func report(_ kernel: Kernel, _ partition: EFISystemPartition, _ state: Apply.Image.State) {
    result.images.append(Apply.Image(kernel, on: partition.name, state))
  }
}
