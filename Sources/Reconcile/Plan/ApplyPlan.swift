// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
internal import Cryptography
package import Messages

/// What `apply` is going to do about what it found.
///
/// It is complete: nothing else is done, and with `--dry-run` nothing at all.
package struct ApplyPlan: Sendable {
  let configuration: Configuration
  /// What images are signed with; nil if there is none that can be read.
  let certificate: Certificate?
  /// Complete kernels, the newest first.
  let installed: [Kernel]
  /// In order of precedence.
  package internal(set) var kernels: [PlannedKernel] = []
  package internal(set) var esps: [ESPPlan] = []
  /// How the firmware is to reach the images, and whether it will; nil if that cannot be told.
  package internal(set) var chain: ChainDecision?
  /// What the manifest is to say before anything is done.
  let manifest: Manifest
  /// What boot entries there are to be for whatever images lie on the ESPs; nil where there can be none.
  var entryGoals: BootEntryGoals?
  /// What is to be done about boot entries when all images are as planned; nil where there can be none.
  package internal(set) var entries: BootEntryPlan?
  /// What systemd-boot is to be told; nil where it is not in the chain or the machine would refuse our images.
  var loaderDefault: LoaderDefaultPlan?
  /// ESPs of which it is not known what boot loaders they need: boot entries that lead there stay as they are.
  var lackingLoader: Set<String> = []
  /// Images that the firmware would refuse though it trusts our key: they never go first.
  var refused: Set<UKIName> = []
  /// Authenticode digests that make an image one of them.
  let forbiddenDigests: Set<[UInt8]>
  /// What is to change in dkms's settings.
  package internal(set) var moduleSigning: [DKMSSigning.Step] = []
  /// One sentence each.
  package internal(set) var notes: [Message] = []
  /// What cannot be as it should, and is known before anything is done.
  package internal(set) var failures: [Failure] = []

  /// A plan to do nothing.
  init(_ observation: HostObservation) {
    configuration = observation.configuration
    certificate = observation.certificate
    installed = observation.kernels.kernels
    manifest = observation.manifest
    forbiddenDigests = observation.forbiddenDigests
  }

  /// About an image that dbx revokes by its digest.
  static func refusal(of name: UKIName, on esp: String) -> Failure {
    Failure(
      "\(esp): the firmware would refuse \(name.path.dropFirst()), since dbx revokes its digest",
      hint: "boot another kernel, and install another version of kernel \(name.kernel.release)")
  }

  mutating func note(_ note: Message) { if !notes.contains(note) { notes.append(note) } }

  /// The same reason counts once.
  mutating func fail(_ failure: Failure) { if !failures.contains(failure) { failures.append(failure) } }

  /// By ESP: the images on it when everything is done.
  var outcome: [String: [UKIName]] { Dictionary(uniqueKeysWithValues: esps.map { ($0.name, $0.images.outcome) }) }

  /// Takes back all that would be written to an ESP or unlinked there; its boot entries stay as they are.
  mutating func leaveAlone(_ esp: String) {
    guard let index = esps.firstIndex(where: { $0.name == esp }) else { return }
    esps[index].leaveAlone()
    lackingLoader.insert(esp)
    entries = entryGoals?.plan(for: outcome, lacking: lackingLoader, refused: refused)
    loaderDefault = nil
  }
}

extension ApplyPlan {
  /// Whether there is anything to be done.
  package var isChange: Bool { esps.contains(where: \.isChange) || !entrySteps.isEmpty || !moduleSigning.isEmpty }

  /// Whether there is anything to be done but to remove boot entries that nothing needs.
  package var isPressing: Bool {
    guard isChange else { return false }
    var rest = self
    rest.entries = nil
    return rest.isChange || entries?.onlyRemoves != true
  }

  /// Changes to boot entries, in the imperative.
  package var entrySteps: [Message] {
    (entries?.steps.map(\.message) ?? []) + (loaderDefault?.text.map { [LoaderDefaultPlan.message($0)] } ?? [])
  }

  /// How the firmware reaches the images: `direct`, `systemd-boot`, `shim` or `shim, systemd-boot`; nil if that cannot be
  /// told without a certificate.
  package var chainName: String? { chain.map { "\($0.chain)" } }
}

/// What is to be done on one ESP: first the images, then the boot loaders, then type 1 entries that go.
package struct ESPPlan: Sendable {
  package let esp: ESP
  /// Bytes free before anything is done.
  package let free: Int
  /// This program's images on it before anything is done.
  let present: [UKIName]
  var images = ImageChanges()
  /// Kernels whose image stays as it is, since the machine starts it and would not start its successor.
  var withheld: Set<Kernel> = []
  /// Whether there are images that the machine starts though it would not start what is made now.
  var holdsAccepted = false
  package internal(set) var loaders: [LoaderStep] = []
  /// What systemd-boot's settings on the ESP name as default then; nil where they are none of ours.
  var defaultEntry: String?
  var removals: [TypeOneEntries.Removal] = []

  init(_ esp: ESP, _ contents: ESPContents) {
    self.esp = esp
    free = contents.free
    present = contents.own
  }

  /// Volume serial number, or the path where it is mounted.
  package var name: String { esp.name }

  package var isChange: Bool { images.isChange || !loaders.isEmpty || !removals.isEmpty }

  /// Whether an image goes.
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

/// One boot loader or its settings.
package struct LoaderStep: Hashable, Sendable {
  /// From the root of the ESP.
  package var path: String
  package var source: LoaderSource
  /// Bytes that it takes while what was there before is still there.
  package var size: Int
  /// Whether something is there that gives way.
  package var replaces: Bool
}

extension ESPPlan {
  /// One change, in words for machines.
  package struct Step: Sendable {
    /// `sweep`, `remove`, `write`, or `load` for a boot loader.
    package let action: String
    /// From the root of the ESP.
    package let path: String
    /// Why it is removed: `gone`, `unwanted`, `superseded`, `room` or `type-1`.
    package var reason: String?
    /// Whether what the write replaces stays as the previous image.
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

  /// Images that find no room, with the bytes they need and those that could be had.
  package var shortages: [(kernel: String, needed: Int, available: Int)] {
    images.shortages.map { ($0.kernel.release, $0.needed, $0.available) }
  }
}
