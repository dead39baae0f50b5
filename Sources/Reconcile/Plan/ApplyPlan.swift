// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
internal import Cryptography
package import Findings
package import Messages
package import SigningKeys

/// The changes that `apply` will make.
///
/// The plan is complete: the executor does nothing else, and `--dry-run` executes nothing.
package struct ApplyPlan: Sendable {
  package let configuration: Configuration
  /// The certificate that UKIs are signed with; nil if it cannot be read.
  let certificate: Certificate?
  /// Complete kernels, newest first.
  let installed: [Kernel]
  /// In which order they boot.
  private let wanted: WantedKernels
  /// In order of precedence.
  package internal(set) var kernels: [PlannedKernel] = []
  package internal(set) var esps: [ESPPlan] = []
  /// The boot chain, and whether it is trusted; nil if unknown.
  package internal(set) var chain: ChainDecision?
  /// The manifest to save before anything else.
  let manifest: Manifest
  /// As `HostObservation.savedManifest`.
  let savedManifest: Manifest?
  /// Plans the boot entries for any set of UKIs on the ESPs; nil if no entries can be created.
  var entryGoals: BootEntryGoals?
  /// The changes to boot entries if all UKIs are written as planned; nil if no entries can be created.
  package internal(set) var entries: BootEntryPlan?
  /// The UKI that the next boot tries; nil if there is none.
  package internal(set) var trial: TrialCandidate?
  /// UKIs that come after those that are known to boot.
  var unproven: Set<UKIName> = []
  /// What has become of the last trial.
  let lastTrial: TrialObservation
  /// The change to systemd-boot's default; nil if systemd-boot is not in the chain or the machine rejects pve-sb-uki's
  /// UKIs.
  var loaderDefault: LoaderDefaultPlan?
  /// ESPs whose boot loaders could not be planned; their boot entries are left unchanged.
  var lackingLoader: Set<String> = []
  /// UKIs that the firmware rejects although it trusts the signing key; they are never first in the boot order.
  var refused: Set<UKIName> = []
  /// Why nothing can be signed now; nil if the key can be used, or was not needed.
  package internal(set) var keyAbsence: KeyAbsence?
  /// Why the key or its certificate is unusable; nil if it can be used, is away, or was not needed.
  package internal(set) var keyFailure: Failure?
  /// Kernels whose UKI has to be built once the key is back; their old UKIs are kept.
  package internal(set) var waitingForKey: [Kernel] = []
  /// Whether old UKIs of these kernels exist and the machine starts them.
  package internal(set) var waitingKernelsBoot = false
  /// Changes to the dkms settings.
  package internal(set) var moduleSigning: [DKMSSigning.Step] = []
  /// One sentence each.
  package private(set) var notes: [Message] = []
  /// Findings that are known before anything is executed.
  package private(set) var findings: [Finding] = []
  /// The English text of the notes and failures: comparing each with all others would render them anew.
  private var said: Set<String> = []

  /// An empty plan.
  init(_ observation: HostObservation) {
    configuration = observation.configuration
    certificate = observation.certificate
    installed = observation.inventory.kernels
    wanted = observation.choice.wanted
    manifest = observation.manifest
    savedManifest = observation.savedManifest
    keyAbsence = observation.key?.absence
    keyFailure = observation.key?.failure
    lastTrial = observation.trial
  }

  /// The failure to report for a UKI that the boot chain rejects although it trusts its key.
  static func refusal(of name: UKIName, on esp: String, _ reason: Message) -> Failure {
    Failure(
      "\(esp): this machine rejects \(name.path.dropFirst()): \(reason)",
      hint: "boot another kernel and install another version of kernel \(name.kernel.release)")
  }

  /// Adds a note.
  ///
  /// Notes with the same text are listed once.
  mutating func note(_ note: Message) { if said.insert("note: \(note)").inserted { notes.append(note) } }

  /// Adds a finding.
  ///
  /// Findings with the same text are listed once.
  mutating func find(_ finding: Finding) {
    if said.insert("failure: \(finding.failure.withHint)").inserted { findings.append(finding) }
  }

  /// Adds a finding about a failure.
  mutating func fail(_ kind: FindingKind, _ failure: Failure) { find(Finding(kind, failure)) }

  /// The findings as errors.
  package var failures: [Failure] { findings.map(\.failure) }

  /// Those of `failures` that last until the signing key is enrolled; the machine boots the UKIs that it has.
  package var enrolmentFailures: Set<Failure> { Set(findings.filter { $0.kind == .keyNotEnrolled }.map(\.failure)) }

  /// Those of `failures` that last until the signing key is back.
  package var keyFailures: Set<Failure> { Set(findings.filter { $0.kind == .keyAway }.map(\.failure)) }

  /// The UKIs on each ESP after the plan is executed, by name of the ESP.
  var outcome: [String: [UKIName]] { Dictionary(uniqueKeysWithValues: esps.map { ($0.name, $0.images.outcome) }) }

  /// Removes all changes to an ESP from the plan; its boot entries are left unchanged.
  mutating func leaveAlone(_ esp: String) {
    guard let index = esps.firstIndex(where: { $0.name == esp }) else { return }
    esps[index].leaveAlone()
    lackingLoader.insert(esp)
    planEntries()
    loaderDefault = nil
  }

  /// Plans the boot entries for the UKIs as they will be, and the trial.
  mutating func planEntries() {
    let result = entryGoals?.plan(
      for: BootEntryGoals.Images(
        names: outcome, record: futureRecord, isFuture: true, lacking: lackingLoader,
        refused: refused))
    entries = result?.entries
    trial = result?.trial
  }

  /// What will be known about a UKI on an ESP once the plan is executed; nil for one that has to be built.
  func futureRecord(_ esp: String, _ name: UKIName) -> ImageRecord? {
    let changes = esps.first { $0.name == esp }?.images
    guard changes?.written.contains(name.kernel) == true else { return manifest.image(on: esp, name) }
    if name.isPrevious {
      let keeps = changes?.steps.contains(.write(name.kernel, keepsPrevious: true)) == true
      return manifest.image(on: esp, keeps ? UKIName(name.kernel) : name)
    }
    guard case .bytes(let digest, _) = kernels.first(where: { $0.uki == name })?.demand else { return nil }
    return manifest.image(withDigest: digest)
  }
}

extension ApplyPlan {
  /// Whether the plan changes anything.
  package var isChange: Bool { esps.contains(where: \.isChange) || !entrySteps.isEmpty || !moduleSigning.isEmpty }

  /// Whether a UKI is written.
  package var writesUKIs: Bool { esps.contains { !$0.images.written.isEmpty } }

  /// The release of the kernel that boots first among pve-sb-uki's UKIs, once the plan is executed; nil if none has one.
  package var firstKernel: String? { firstImage?.kernel.release }

  /// The UKI that boots first among pve-sb-uki's UKIs, once the plan is executed; nil if there is none.
  package var firstImage: UKIName? {
    let names = Set(esps.flatMap(\.images.outcome))
    return wanted.bootOrder(of: names, unproven: unproven, refused: refused).first
  }

  /// The UKI that would boot first if no trial were necessary, if it is not known to boot; nil otherwise.
  package var waitingForTrial: UKIName? {
    let names = Set(esps.flatMap(\.images.outcome))
    return wanted.bootOrder(of: names, refused: refused).first.flatMap { unproven.contains($0) ? $0 : nil }
  }

  /// The UKI that was booted last, on any ESP; nil if none is known.
  package var bootedImage: UKIName? { lastBooted { _ in true } }

  /// The UKI that was booted last among those that do not boot first; nil if none is known to boot.
  package var previousImage: UKIName? {
    let first = firstImage
    return lastBooted { $0 != first }
  }

  private func lastBooted(_ isCounted: (UKIName) -> Bool) -> UKIName? {
    let names = manifest.images.flatMap { image in
      image.copies.compactMap { copy in image.booted.map { ($0, copy.name) } }
    }
    return names.filter { isCounted($0.1) }.max { $0.0 < $1.0 }?.1
  }

  /// Whether the plan does more than remove unneeded boot entries and files.
  package var isMoreThanCleanup: Bool {
    guard isChange else { return false }
    var rest = self
    rest.entries = nil
    for index in rest.esps.indices {
      rest.esps[index].staged = StagedRemoval()
      rest.esps[index].unused = []
    }
    return rest.isChange || entries?.onlyRemoves != true
  }

  /// Changes to boot entries, in the imperative.
  package var entrySteps: [Message] {
    (entries?.steps.map(\.message) ?? []) + (loaderDefault?.text.map { [LoaderDefaultPlan.message($0)] } ?? [])
  }

  /// The boot chain: `direct`, `systemd-boot`, `shim` or `shim, systemd-boot`; nil if unknown, for example without a
  /// certificate.
  package var chainName: String? { chain.map { "\($0.chain)" } }
}

/// The changes to one ESP: first UKIs, then boot loaders, then removed type 1 entries and files for the enrolment.
package struct ESPPlan: Sendable {
  package let target: ESP
  /// Free space before the changes, in bytes.
  package let free: Int
  /// pve-sb-uki's UKIs on it before the changes.
  let present: [UKIName]
  var images = ImageChanges()
  /// Kernels whose UKI is kept because the machine starts it but would reject a newly signed one.
  package internal(set) var withheld: Set<Kernel> = []
  package internal(set) var loaders: [LoaderStep] = []
  /// The default in the ESP's `loader.conf` after the changes; nil if pve-sb-uki does not set it.
  var defaultEntry: String?
  var removals: [TypeOneEntries.Removal] = []
  /// Boot loaders in pve-sb-uki's directory that the chain does not use any more; removed after the boot entries.
  var unused: [String] = []
  /// Files for the enrolment of keys that are enrolled now.
  var staged = StagedRemoval()

  init(_ esp: ESP, _ contents: ESPContents) {
    target = esp
    free = contents.free
    present = contents.own
  }

  /// Volume serial number, or mount point.
  package var name: String { target.name }

  package var isChange: Bool { isChangeBeforeEntries || !unused.isEmpty }
  var isChangeBeforeEntries: Bool {
    images.isChange || !loaders.isEmpty || !removals.isEmpty || !staged.isEmpty
  }

  /// Whether a UKI is removed.
  var losesImage: Bool { images.steps.contains { if case .remove = $0 { true } else { false } } }

  mutating func leaveAlone() {
    images.steps = []
    images.outcome = present
    loaders = []
    removals = []
    unused = []
    staged = StagedRemoval()
  }

  /// Kernels whose UKI is already in place.
  package var current: [Kernel] { images.current }
}

/// A boot loader, or its settings, to write.
package struct LoaderStep: Hashable, Sendable {
  /// From the root of the ESP.
  package var path: String
  package var source: LoaderSource
  /// Space in bytes that it needs while the old file still exists.
  package var size: Int
  /// Whether it replaces a file.
  package var replaces: Bool
}

extension ESPPlan {
  /// One change as words for the JSON output.
  package struct Step: Sendable {
    /// `sweep`, `remove`, `write`, or `load` for a boot loader.
    package let action: String
    /// From the root of the ESP.
    package let path: String
    /// Why it is removed: `gone`, `unwanted`, `superseded`, `room`, `type-1`, `enrolled` or `unused`.
    package var reason: String?
    /// Whether the replaced UKI is kept as the previous one.
    package var keepsPrevious: Bool?
  }

  package var steps: [Step] {
    let loaders = loaders.map { Step(action: "load", path: $0.path) }
    let removals = removals.map { removal in
      switch removal {
      case .file(let path), .directory(let path): Step(action: "remove", path: path, reason: "type-1")
      }
    }
    return images.steps.map { step in
      switch step {
      case .sweep(let path): Step(action: "sweep", path: path)
      case .remove(let name, let reason): Step(action: "remove", path: name.path, reason: reason.rawValue)
      case .write(let kernel, let keeps): Step(action: "write", path: UKIName(kernel).path, keepsPrevious: keeps)
      }
    } + loaders + removals + (staged.restoresLoader ? [Step(action: "load", path: LoaderConfiguration.path)] : [])
      + staged.paths.map { Step(action: "remove", path: $0, reason: "enrolled") }
      + unused.map { Step(action: "remove", path: $0, reason: "unused") }
  }

  /// UKIs that do not fit, with the needed bytes and the bytes that could be made free.
  package var shortages: [(kernel: String, needed: Int, available: Int)] {
    images.shortages.map { ($0.kernel.release, $0.needed, $0.available) }
  }
}
