// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
internal import Cryptography
package import Messages

/// What `apply` is going to do.
///
/// The plan is complete: the executor does nothing else, and with `--dry-run` nothing is done at all.
package struct ApplyPlan: Sendable {
  let configuration: Configuration
  /// The certificate that images are signed with; nil if it cannot be read.
  let certificate: Certificate?
  /// Complete kernels, the newest first.
  let installed: [Kernel]
  /// In order of precedence.
  package internal(set) var kernels: [PlannedKernel] = []
  package internal(set) var esps: [ESPPlan] = []
  /// The boot chain, and whether it is trusted; nil if that is not known.
  package internal(set) var chain: ChainDecision?
  /// The manifest to save before anything else.
  let manifest: Manifest
  /// The boot entries to make for any set of images on the ESPs; nil if none can be made.
  var entryGoals: BootEntryGoals?
  /// The changes to boot entries if all images are as planned; nil if none can be made.
  package internal(set) var entries: BootEntryPlan?
  /// The change to systemd-boot's default; nil if systemd-boot is not in the chain or the machine would refuse our
  /// images.
  var loaderDefault: LoaderDefaultPlan?
  /// ESPs whose boot loaders could not be planned; boot entries that lead there stay as they are.
  var lackingLoader: Set<String> = []
  /// Images that the firmware refuses although it trusts our key; they are never first in the boot order.
  var refused: Set<UKIName> = []
  /// Authenticode digests that dbx revokes.
  let forbiddenDigests: Set<[UInt8]>
  /// Changes to the settings for dkms.
  package internal(set) var moduleSigning: [DKMSSigning.Step] = []
  /// One sentence each.
  package internal(set) var notes: [Message] = []
  /// Failures that are known before anything is executed.
  package internal(set) var failures: [Failure] = []

  /// An empty plan.
  init(_ observation: HostObservation) {
    configuration = observation.configuration
    certificate = observation.certificate
    installed = observation.inventory.kernels
    manifest = observation.manifest
    forbiddenDigests = observation.forbiddenDigests
  }

  /// The failure to report for an image that dbx revokes by its digest.
  static func refusal(of name: UKIName, on esp: String) -> Failure {
    Failure(
      "\(esp): the firmware would refuse \(name.path.dropFirst()), since dbx revokes its digest",
      hint: "boot another kernel, and install another version of kernel \(name.kernel.release)")
  }

  mutating func note(_ note: Message) { if !notes.contains(note) { notes.append(note) } }

  /// Adds a failure.
  ///
  /// One with the same text is listed once.
  mutating func fail(_ failure: Failure) { if !failures.contains(failure) { failures.append(failure) } }

  /// The images on each ESP after the plan is executed, by name of the ESP.
  var outcome: [String: [UKIName]] { Dictionary(uniqueKeysWithValues: esps.map { ($0.name, $0.images.outcome) }) }

  /// Removes all changes to an ESP from the plan; its boot entries stay as they are.
  mutating func leaveAlone(_ esp: String) {
    guard let index = esps.firstIndex(where: { $0.name == esp }) else { return }
    esps[index].leaveAlone()
    lackingLoader.insert(esp)
    entries = entryGoals?.plan(for: outcome, lacking: lackingLoader, refused: refused)
    loaderDefault = nil
  }
}

extension ApplyPlan {
  /// Whether the plan changes anything.
  package var isChange: Bool { esps.contains(where: \.isChange) || !entrySteps.isEmpty || !moduleSigning.isEmpty }

  /// Whether the plan does more than remove boot entries that nothing needs.
  package var isMoreThanCleanup: Bool {
    guard isChange else { return false }
    var rest = self
    rest.entries = nil
    return rest.isChange || entries?.onlyRemoves != true
  }

  /// Changes to boot entries, in the imperative.
  package var entrySteps: [Message] {
    (entries?.steps.map(\.message) ?? []) + (loaderDefault?.text.map { [LoaderDefaultPlan.message($0)] } ?? [])
  }

  /// The boot chain: `direct`, `systemd-boot`, `shim` or `shim, systemd-boot`; nil if it is not known, as without a
  /// certificate.
  package var chainName: String? { chain.map { "\($0.chain)" } }
}

/// The changes to one ESP: first images, then boot loaders, then type 1 entries that are removed.
package struct ESPPlan: Sendable {
  package let target: ESP
  /// Free space before the changes, in bytes.
  package let free: Int
  /// The images of this program on it before the changes.
  let present: [UKIName]
  var images = ImageChanges()
  /// Kernels whose image is not replaced, because the machine starts it but would refuse a newly signed one.
  var withheld: Set<Kernel> = []
  package internal(set) var loaders: [LoaderStep] = []
  /// The default in the ESP's `loader.conf` after the changes; nil if it is not ours to set.
  var defaultEntry: String?
  var removals: [TypeOneEntries.Removal] = []

  init(_ esp: ESP, _ contents: ESPContents) {
    target = esp
    free = contents.free
    present = contents.own
  }

  /// Volume serial number, or the path where it is mounted.
  package var name: String { target.name }

  package var isChange: Bool { images.isChange || !loaders.isEmpty || !removals.isEmpty }

  /// Whether an image is removed.
  var losesImage: Bool { images.steps.contains { if case .remove = $0 { true } else { false } } }

  mutating func leaveAlone() {
    images.steps = []
    images.outcome = present
    loaders = []
    removals = []
  }

  /// Kernels whose image is in place already.
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
  /// One change in words for the JSON output.
  package struct Step: Sendable {
    /// `sweep`, `remove`, `write`, or `load` for a boot loader.
    package let action: String
    /// From the root of the ESP.
    package let path: String
    /// Why it is removed: `gone`, `unwanted`, `superseded`, `room` or `type-1`.
    package var reason: String?
    /// Whether the replaced image stays as the previous one.
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
    } + loaders + removals
  }

  /// Images that do not fit, with the bytes they need and the bytes that could be made free.
  package var shortages: [(kernel: String, needed: Int, available: Int)] {
    images.shortages.map { ($0.kernel.release, $0.needed, $0.available) }
  }
}
