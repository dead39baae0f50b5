// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
internal import Messages

/// Which UKIs have to prove themselves before they boot first, and which of them is tried next.
///
/// With `Promotion=trial`, the UKIs that are known to boot come first in every order. The firmware is told to boot the
/// new one once, by BootNext or systemd-boot's one-shot entry; nothing has to be undone if that boot dies.
struct TrialGoals: Sendable {
  private let observation: TrialObservation
  private let wanted: WantedKernels
  /// The profile for a trial; nil if the UKIs have none.
  private let profile: Int?
  /// Kernels that the administrator has named; they come first at once.
  private let named: Set<Kernel>

  init(_ observation: HostObservation) {
    self.observation = observation.trial
    wanted = observation.choice.wanted
    profile = observation.variants.trialNumber
    named = Set(wanted.kernels.filter { $0.reasons.contains { $0 == .pin || $0 == .preferred } }.map(\.kernel))
  }

  /// Whether trials decide about the boot order.
  var isOn: Bool { observation.isOn && observation.record.allowsTrials }

  /// The UKIs that come after those that are known to boot; empty if none is known.
  ///
  /// `record` returns what is known about a UKI on an ESP; nil for one that has to be built.
  func unproven(_ images: [String: [UKIName]], record: (String, UKIName) -> ImageRecord?) -> Set<UKIName> {
    guard isOn else { return [] }
    var names: Set<UKIName> = []
    for (esp, found) in images {
      for name in found where !named.contains(name.kernel) && record(esp, name)?.booted == nil { names.insert(name) }
    }
    return names.isSuperset(of: images.values.joined()) ? [] : names
  }

  /// The UKI that the next boot tries; nil if that is not necessary, or not wanted.
  ///
  /// ESPs are in their order. `isFuture` means that UKIs without a record will be built; otherwise they are not known,
  /// and not tried.
  func candidate(
    _ images: [(esp: String, names: [UKIName])], unproven: Set<UKIName>, refused: Set<UKIName>, isFuture: Bool,
    record: (String, UKIName) -> ImageRecord?
  ) -> TrialCandidate? {
    guard observation.bootID != nil, wanted.nextBoot == nil, observation.stage != .running else { return nil }
    let all = Set(images.flatMap(\.names))
    let trial = observation.record
    let request = trial.request.flatMap { all.contains($0) && !refused.contains($0) ? $0 : nil }
    let order = wanted.bootOrder(of: all, refused: refused)
    guard let name = request ?? (isOn ? order.first : nil), request != nil || unproven.contains(name),
      let place = images.first(where: { $0.names.contains(name) })
    else { return nil }
    let known = record(place.esp, name)
    if known == nil, !isFuture { return nil }
    if request == nil, let known, trial.hasFailed(known.digest) { return nil }
    let hasProfile = profile != nil && (known == nil || known?.profiles != nil)
    return TrialCandidate(
      name: name, esp: place.esp, digest: known?.digest, profile: hasProfile ? profile : nil,
      test: request == nil ? nil : trial.requestedTest)
  }

  /// The number of the entry that an earlier run made the firmware boot next; nil if there was none.
  var armedEntry: UInt16? { observation.lastEntry }

  /// One sentence each.
  var notes: [Message] {
    guard observation.isOn else { return [] }
    switch observation.record.firmware {
    case .repeats:
      return [
        """
        new UKIs boot first at once: this firmware boots the entry in BootNext again and again, so a UKI that dies \
        would never be left
        """
      ]
    case .ignores: return ["new UKIs boot first at once: this firmware ignores BootNext"]
    default: break
    }
    guard let kernel = wanted.bootOrder.first, named.contains(kernel) else { return [] }
    return ["kernel \(kernel.release) boots first without a trial: it is pinned or preferred"]
  }
}

/// A UKI to be tried at the next boot.
package struct TrialCandidate: Hashable, Sendable {
  package var name: UKIName
  /// Name of the first ESP that has it.
  package var esp: String
  /// SHA-256 of the file; nil if it has to be built.
  var digest: [UInt8]?
  /// The profile to start; nil for the UKI without a choice.
  var profile: Int?
  /// What is tested with it; nil for a trial of the UKI.
  package var test: ResetTest?
}
