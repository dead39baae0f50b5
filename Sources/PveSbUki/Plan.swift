// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import Messages

/// What `apply` found and what it is going to do about it: nothing else is done, and with `--dry-run` nothing at all.
package struct Plan: Sendable {
  /// A kernel that gets an image, or should.
  package struct Kernel: Sendable {
    let kernel: BootEnvironment.Kernel
    let reasons: [WantedKernels.Reason]
    var demand = WantedImage.Demand.none
    /// Whether no image can be made of what is installed; a failure says why.
    var isUnusable = false
    /// Whether it has lost its initrd, but not its image; a failure says so.
    let isStanding: Bool

    init(_ kernel: BootEnvironment.Kernel, _ reasons: [WantedKernels.Reason], isStanding: Bool = false) {
      self.kernel = kernel
      self.reasons = reasons
      self.isStanding = isStanding
    }
  }

  package struct Partition: Sendable {
    /// Volume serial number, or the path where it is mounted.
    package let name: String
    /// Bytes free before anything is done.
    package let free: Int
    var images: PartitionPlan
    /// Kernels whose image stays as it is, since the machine starts it and would not start its successor.
    var withheld: Set<BootEnvironment.Kernel> = []
    /// Whether there are images that the machine starts though it would not start what is made now.
    var holdsAccepted = false
    /// Boot loaders, after the images.
    var loaders = LoaderFiles.Plan()
    /// Entries of type 1 that are to go, after all else.
    var removals: [TypeOneEntries.Removal] = []

    var isChange: Bool { images.isChange || !loaders.steps.isEmpty || !removals.isEmpty }
  }

  /// All that are complete, the newest first.
  var installed: [BootEnvironment.Kernel] = []
  /// In order of precedence.
  package internal(set) var kernels: [Kernel] = []
  package internal(set) var partitions: [Partition] = []
  /// How the firmware reaches the images: `direct`, `systemd-boot`, `shim` or `shim, systemd-boot`; nil if that cannot be
  /// told without a certificate.
  package internal(set) var chain: String?
  /// What is to be done about boot entries when all images are as planned; nil where there can be none.
  var entries: BootEntryPlan?
  /// What systemd-boot is to be told; nil where it is not in the chain or the machine would refuse our images.
  var loaderDefault: LoaderDefaultPlan?
  /// Images that the firmware would refuse though it trusts our key: they never go first.
  var refused: Set<ImageName> = []
  /// What is to change in dkms's settings.
  var moduleSigning: [DKMSSigning.Step] = []
  /// One sentence each.
  package internal(set) var notes: [Message] = []
  /// What cannot be as it should, and is known before anything is done.
  package internal(set) var failures: [Failure] = []

  /// About an image that dbx revokes by its digest.
  static func refusal(of name: ImageName, on partition: String) -> Failure {
    Failure(
      "\(partition): the firmware would refuse \(name.path.dropFirst()), since dbx revokes its digest",
      hint: "boot another kernel, and install another version of kernel \(name.kernel.release)")
  }

  mutating func note(_ note: Message) { if !notes.contains(note) { notes.append(note) } }

  /// The same reason counts once.
  mutating func fail(_ failure: Failure) { if !failures.contains(failure) { failures.append(failure) } }
}

extension Plan {
  /// Whether there is anything to be done.
  var isChange: Bool { partitions.contains(where: \.isChange) || !entrySteps.isEmpty || !moduleSigning.isEmpty }

  /// Whether there is anything to be done but to remove boot entries that nothing needs.
  var isPressing: Bool { isChange && !(entries?.onlyRemoves == true && withoutEntries.isChange == false) }

  private var withoutEntries: Plan {
    var plan = self
    plan.entries = nil
    return plan
  }

  /// Changes to boot entries, in the imperative.
  package var entrySteps: [Message] {
    (entries?.steps.map(\.message) ?? []) + (loaderDefault?.text.map { [LoaderDefaultPlan.message($0)] } ?? [])
  }
}

extension Plan.Kernel {
  package var release: String { kernel.release }
  /// Why it gets an image, the weightiest first, such as `pin` and `running`.
  package var reasonNames: [String] { reasons.map(\.rawValue) }
  /// The same for people.
  package var reasonWords: [Message] { reasons.map(\.word) }

  /// `made`: it exists somewhere; `to-be-made`; `unusable`; `no-initrd`: it stays as it was; `not-chosen` by `--kernel`.
  package var imageState: String {
    switch demand {
    case .bytes: "made"
    case .build: "to-be-made"
    case .none: isUnusable ? "unusable" : isStanding ? "no-initrd" : "not-chosen"
    }
  }

  /// Whether the image exists somewhere and needs only be copied.
  var isMade: Bool { if case .bytes = demand { true } else { false } }
}

extension Plan.Partition {
  /// One change, in words for machines.
  package struct Step: Sendable {
    /// `sweep`, `remove`, `write`, or `load` for a boot loader.
    package let action: String
    /// From the root of the partition.
    package let path: String
    /// Why it is removed: `gone`, `unwanted`, `superseded`, `room` or `type-1`.
    package var reason: String?
    /// Whether what the write replaces stays as the previous image.
    package var keepsPrevious: Bool?
  }

  package var steps: [Step] {
    let loaders = loaders.steps.map { Step(action: "load", path: $0.path) }
    let removals = removals.map { removal in
      switch removal {
      case .file(let path), .directory(let path): Step(action: "remove", path: path, reason: "type-1")
      }
    }
    return images.steps.map { step in
      switch step {
      case .sweep(let path): Step(action: "sweep", path: path)
      case .remove(let name, let reason): Step(action: "remove", path: name.path, reason: reason.rawValue)
      case .write(let kernel, let keeps): Step(action: "write", path: ImageName(kernel).path, keepsPrevious: keeps)
      }
    } + loaders + removals
  }

  /// Images that find no room, with the bytes they need and those that could be had.
  package var shortages: [(kernel: String, needed: Int, available: Int)] {
    images.shortages.map { ($0.kernel.release, $0.needed, $0.available) }
  }
}
