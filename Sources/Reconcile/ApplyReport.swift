// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import Messages

/// The result for one kernel on one ESP.
package struct ImageOutcome: Hashable, Sendable {
  package enum State: String, Sendable {
    /// The UKI was already correct; nothing was written.
    case current = "current"
    /// The UKI was built on this ESP, verified and put in place.
    case signed = "signed"
    /// The UKI was copied from another ESP, verified and put in place.
    case copied = "copied"
    /// The UKI could not be written; a previous version, if any, is unchanged.
    case failed = "failed"
    /// There is no UKI, and none can be built before the signing key is back.
    case waiting = "waiting"
    /// The UKI was removed: its kernel was removed or no longer gets a UKI.
    case removed = "removed"
    /// The UKI must stay although its kernel was removed or no longer gets one, or the signing key is away; a note or
    /// failure says why.
    case kept = "kept"

    /// The state as a word for people.
    package var word: Message {
      switch self {
      case .current: "unchanged"
      case .signed: "signed"
      case .copied: "copied"
      case .failed: "failed"
      case .waiting: "waits for the signing key"
      case .removed: "removed"
      case .kept: "kept"
      }
    }
  }

  /// Release of the kernel.
  package var kernel: String
  /// Name of the ESP: its volume serial number, or its mount point.
  package var esp: String
  /// Path on the ESP: `EFI/Linux/pve-K.efi`.
  package var name: String
  package var state: State
  /// Whether all of a UKI that was written was read back from the medium, not from memory; nil if none was written.
  package var isProven: Bool?

  init(_ kernel: Kernel, on esp: String, state: State, isProven: Bool? = nil) {
    self.kernel = kernel.release
    self.esp = esp
    name = String(UKIName(kernel).path.dropFirst())
    self.state = state
    self.isProven = isProven
  }
}

/// What `apply` did, or would do in a dry run.
package struct ApplyReport: Sendable {
  /// Why there was nothing to do; nil if the run reconciled the host.
  package var skipReason: SkipReason?
  /// The plan; nil if there is a `skipReason`.
  package var plan: ApplyPlan?
  /// Sorted by ESP, then by kernel: newest first, then those that are no longer installed.
  ///
  /// In a dry run: the expected results.
  package var images: [ImageOutcome] = []
  /// pve-sb-uki's UKIs on each ESP at the end, by name of the ESP; in a dry run: the expected ones.
  var remaining: [String: [UKIName]] = [:]
  /// Boot loaders and their settings that were written, as `ESP: path`; in a dry run: those that would be.
  package var loaders: [String] = []
  /// Boot loaders that the chain does not use any more and that were removed, as `ESP: path`; in a dry run: those that
  /// would be.
  package var removedLoaders: [String] = []
  /// Removals of files for an enrolment that is complete, in the imperative; in a dry run: those that would be made.
  package var unstaged: [Message] = []
  /// Changes made to boot entries, in the imperative; in a dry run: those that would be made.
  package var entries: [Message] = []
  /// dkms settings that were written or removed, in the imperative; in a dry run: those that would be.
  package var moduleSigning: [Message] = []
  /// Repairs made to ESPs before anything else, one sentence each.
  package var mended: [Message] = []
  /// One sentence each.
  package var notes: [Message] = []
  /// The failures.
  ///
  /// Failures with the same text are listed once.
  package var failures: [Failure] = []

  /// Whether anything was changed, or would be changed in a dry run.
  package var isChange: Bool {
    !mended.isEmpty || !entries.isEmpty || !loaders.isEmpty || !removedLoaders.isEmpty || !unstaged.isEmpty
      || !moduleSigning.isEmpty
      || images.contains { [.signed, .copied, .removed].contains($0.state) }
  }

  /// How many kernels have a UKI on an ESP.
  package struct Total: Hashable, Sendable {
    /// Name of the ESP.
    package var esp: String
    package var count: Int
    /// How many of them were already correct.
    package var unchanged: Int
    /// How many of them are old: no new UKI could be written, or the kernel no longer gets one.
    package var kept: Int
  }

  /// The totals in the order of the ESPs; empty if there is a `skipReason`.
  package var totals: [Total] {
    (plan?.esps ?? []).map { esp in
      let states = images.filter { $0.esp == esp.name }.map(\.state)
      let unchanged = states.count { $0 == .current }
      let made = states.count { $0 == .signed || $0 == .copied }
      let count = Set((remaining[esp.name] ?? []).map(\.kernel)).count
      return Total(esp: esp.name, count: count, unchanged: unchanged, kept: max(0, count - unchanged - made))
    }
  }

  init(skipped reason: SkipReason) { skipReason = reason }

  /// Creates a report with the notes and failures that the plan already has.
  init(of plan: ApplyPlan) {
    self.plan = plan
    notes = plan.notes
    failures = plan.failures
  }

  /// Creates the report of a dry run, as if every step of the plan succeeded.
  init(dryRunOf plan: ApplyPlan) {
    self.init(of: plan)
    remaining = plan.outcome
    var made: Set<Kernel> = []
    for esp in plan.esps {
      images += esp.knownOutcomes(plan)
      for step in esp.images.steps {
        switch step {
        case .write(let kernel, _):
          let isCopy = !made.insert(kernel).inserted || plan.kernels.contains { $0.kernel == kernel && $0.isMade }
          images.append(ImageOutcome(kernel, on: esp.name, state: isCopy ? .copied : .signed))
        case .remove(let name, let reason) where !name.isPrevious && reason != .room:
          images.append(ImageOutcome(name.kernel, on: esp.name, state: .removed))
        default: break
        }
      }
      loaders += esp.loaders.map { "\(esp.name): \($0.path.dropFirst())" }
      removedLoaders += esp.unused.map { "\(esp.name): \($0.dropFirst())" }
      if let message = esp.unstaging { unstaged.append(message) }
    }
    sortImages()
    entries = plan.entrySteps
    moduleSigning = plan.moduleSigning.map(\.message)
  }

  /// Sorts by ESP, then by kernel, newest first.
  mutating func sortImages() {
    guard let plan else { return }
    let esps = plan.esps.map(\.name)
    func rank(_ image: ImageOutcome) -> (Int, Int, String) {
      let kernel = plan.installed.firstIndex { $0.release == image.kernel } ?? plan.installed.count
      return (esps.firstIndex(of: image.esp) ?? esps.count, kernel, image.kernel)
    }
    images.sort { rank($0) < rank($1) }
  }
}

extension ESPPlan {
  /// The removal of files for an enrolment that is complete, in the imperative; nil if there are none.
  var unstaging: Message? {
    switch staged.paths.count {
    case 0 where !staged.restoresLoader: nil
    case 0: "end the enrolment by systemd-boot on the ESP \(name): the keys are enrolled"
    case 1: "remove 1 file from the ESP \(name): the key in it is enrolled"
    default: "remove \(staged.paths.count) files from the ESP \(name): the keys in them are enrolled"
    }
  }

  /// The results that are known before anything is executed: UKIs that are current, are kept, or cannot be built.
  func knownOutcomes(_ plan: ApplyPlan) -> [ImageOutcome] {
    let kept =
      plan.kernels.filter { ($0.hasLostInitrd || $0.isWaitingForKey) && images.outcome.contains($0.uki) }.map(\.kernel)
      + images.kept.keys.filter { !$0.isPrevious }.map(\.kernel)
    let failed =
      plan.kernels.filter(\.isUnusable).map(\.kernel) + plan.kernels.map(\.kernel).filter(withheld.contains)
      + images.shortages.map(\.kernel)
    let waiting = plan.kernels.filter { $0.isWaitingForKey && !images.outcome.contains($0.uki) }.map(\.kernel)
    return images.current.map { ImageOutcome($0, on: name, state: .current) }
      + kept.map { ImageOutcome($0, on: name, state: .kept) }
      + waiting.map { ImageOutcome($0, on: name, state: .waiting) }
      + failed.map { ImageOutcome($0, on: name, state: .failed) }
  }
}
