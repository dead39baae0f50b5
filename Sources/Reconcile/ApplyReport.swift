// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import Messages

/// What became of one kernel's image on one ESP.
package struct ImageOutcome: Hashable, Sendable {
  package enum State: String, Sendable {
    /// It was there and right; nothing was written.
    case current
    /// It was made there, verified and put in place.
    case signed
    /// It was copied from another ESP, verified and put in place.
    case copied
    /// It could not be put there; one that was there before is still there.
    case failed
    /// Its kernel is gone or gets no image any more, so it is gone too.
    case removed
    /// Its kernel is gone or gets no image any more, but it must stay for a reason that a note tells.
    case kept

    /// What has been done, for people.
    package var word: Message {
      switch self {
      case .current: "unchanged"
      case .signed: "signed"
      case .copied: "copied"
      case .failed: "failed"
      case .removed: "removed"
      case .kept: "kept"
      }
    }
  }

  /// Release of its kernel.
  package var kernel: String
  /// Name of the ESP: its volume serial number, or the path where it is mounted.
  package var esp: String
  /// Path on the ESP: `EFI/Linux/pve-K.efi`.
  package var name: String
  package var state: State

  init(_ kernel: Kernel, on esp: String, state: State) {
    self.kernel = kernel.release
    self.esp = esp
    name = String(UKIName(kernel).path.dropFirst())
    self.state = state
  }
}

/// What `apply` did, or in a dry run would do.
package struct ApplyReport: Sendable {
  /// Why nothing was to be done; nil if there was something to reconcile.
  package var skipReason: SkipReason?
  /// What was to be done; nil with a `skipReason`.
  package var plan: ApplyPlan?
  /// By ESP and kernel, the newest first, then those of gone kernels.
  ///
  /// In a dry run what they would be.
  package var images: [ImageOutcome] = []
  /// Boot loaders and their settings that were written, or would be: ESP, colon, path.
  package var loaders: [String] = []
  /// Changes made to boot entries, in the imperative.
  ///
  /// In a dry run those that would be.
  package var entries: [Message] = []
  /// Settings of dkms that were written or removed, or would be, in the imperative.
  package var moduleSigning: [Message] = []
  /// What was mended on ESPs before anything else, one sentence each.
  package var mended: [Message] = []
  /// One sentence each.
  package var notes: [Message] = []
  /// One for each thing that is not as it should be; the same reason counts once.
  package var failures: [Failure] = []

  /// Whether an ESP was mended, or an image, boot loader, boot entry or setting of dkms was, or would be, written or
  /// removed.
  package var isChange: Bool {
    !mended.isEmpty || !entries.isEmpty || !loaders.isEmpty || !moduleSigning.isEmpty
      || images.contains { [.signed, .copied, .removed].contains($0.state) }
  }

  init(skipped reason: SkipReason) { skipReason = reason }

  /// A report of what the plan knows beforehand.
  init(of plan: ApplyPlan) {
    self.plan = plan
    notes = plan.notes
    failures = plan.failures
  }

  /// The report of a dry run: that everything in the plan succeeds.
  init(foreseenBy plan: ApplyPlan) {
    self.init(of: plan)
    var made: Set<Kernel> = []
    for esp in plan.esps {
      images += esp.settled(plan)
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
    }
    sortImages()
    entries = plan.entrySteps
    moduleSigning = plan.moduleSigning.map(\.message)
  }

  /// By ESP, then the newest kernel first.
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
  /// What is known of images before anything is done: those that are right, those that stay, and those that cannot be had.
  func settled(_ plan: ApplyPlan) -> [ImageOutcome] {
    let kept =
      plan.kernels.filter { $0.isStanding && images.outcome.contains($0.uki) }.map(\.kernel)
      + images.stays.keys.filter { !$0.isPrevious }.map(\.kernel)
    let failed =
      plan.kernels.filter(\.isUnusable).map(\.kernel) + plan.kernels.map(\.kernel).filter(withheld.contains)
      + images.shortages.map(\.kernel)
    return images.current.map { ImageOutcome($0, on: name, state: .current) }
      + kept.map { ImageOutcome($0, on: name, state: .kept) }
      + failed.map { ImageOutcome($0, on: name, state: .failed) }
  }
}
