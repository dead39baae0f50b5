// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment

/// Plans the changes to the UKIs of one ESP, so that the space suffices at every step.
///
/// One UKI on the ESP is never removed: the one from which the machine was last booted, or otherwise the next best one.
/// The UKI of the running kernel is not removed to make room either.
package struct ImagePlanner: ~Copyable {
  /// In order of precedence.
  private let wanted: [PlannedKernel]
  private let wantedKernels: Set<Kernel>
  private let installed: Set<Kernel>
  private let inventory: KernelInventory
  private let running: String?
  /// UKIs that are neither removed to make room nor replaced.
  private let keeping: Set<UKIName>
  private var images: [PresentImage]
  private var free: Int
  private var lastGood: PresentImage?
  private var written: Set<UKIName> = []
  private var plan = ImageChanges()

  /// Plans for one ESP.
  ///
  /// - Parameters:
  ///   - wanted: in order of precedence; if not all fit, the last ones get no UKI.
  ///   - contents: the contents of the ESP.
  ///   - inventory: the installed kernels; UKIs of incomplete kernels are neither built nor removed.
  ///   - running: release of the running kernel.
  ///   - removesOthers: whether UKIs of other kernels are removed.
  ///   - keeping: UKIs that are never removed or replaced.
  /// - Returns: the steps in order, and the contents of the ESP after them.
  package static func plan(
    _ wanted: [PlannedKernel], on contents: ESPContents, inventory: KernelInventory, running: String?,
    removesOthers: Bool = true, keeping: Set<UKIName> = []
  ) -> ImageChanges {
    var planner = ImagePlanner(
      wanted, contents: contents, inventory: inventory, running: running, keeping: keeping)
    for leftover in contents.leftovers { planner.sweep(leftover) }
    for (index, kernel) in wanted.enumerated() { planner.place(kernel, index) }
    if removesOthers { planner.removeOthers() }
    planner.plan.free = planner.free
    planner.plan.outcome = planner.images.filter(\.isOurs).map(\.name)
    return planner.plan
  }

  private init(
    _ wanted: [PlannedKernel], contents: ESPContents, inventory: KernelInventory, running: String?,
    keeping: Set<UKIName>
  ) {
    self.wanted = wanted
    wantedKernels = Set(wanted.map(\.kernel))
    installed = Set(inventory.kernels)
    self.inventory = inventory
    self.running = running
    self.keeping = keeping
    images = contents.images
    free = contents.free
    lastGood = Self.lastGood(of: contents.images.filter(\.isOurs), wanted: wanted, running: running)
  }

  private static func lastGood(
    of images: [PresentImage], wanted: [PlannedKernel], running: String?
  ) -> PresentImage? {
    if let good = images.max(by: { ($0.booted ?? .min) < ($1.booted ?? .min) }), good.booted != nil { return good }
    func image(of kernel: Kernel) -> PresentImage? { images.first { $0.name == UKIName(kernel) } }
    if let inPlace = wanted.first(where: { $0.isInPlace(among: images) }) { return image(of: inPlace.kernel) }
    if let ofRunning = images.first(where: { $0.name.kernel.release == running }) { return ofRunning }
    return wanted.lazy.compactMap { image(of: $0.kernel) }.first ?? images.first
  }

  private mutating func sweep(_ leftover: ESPContents.Leftover) {
    plan.steps.append(.sweep(path: leftover.path))
    free += leftover.size
  }

  private mutating func place(_ planned: PlannedKernel, _ index: Int) {
    if planned.isInPlace(among: images) {
      plan.current.append(planned.kernel)
      return
    }
    guard let size = planned.size else { return }
    let needed = Self.requiredSpace(size)
    guard makeRoom(needed, victims: victims(for: planned.kernel, index), for: planned.kernel) else { return }
    let name = planned.uki
    let previous = UKIName(planned.kernel, isPrevious: true)
    let old = images.first { $0.name == name }
    let keeps = old?.booted != nil && lastGood?.name != previous && !keeping.contains(previous)
    plan.steps.append(.write(planned.kernel, keepsPrevious: keeps))
    free -= needed
    let replaced = keeps ? previous : name
    free += images.first { $0.name == replaced }?.size ?? 0
    images.removeAll { $0.name == replaced || $0.name == name }
    if keeps, let old {
      let kept = PresentImage(previous, size: old.size, content: old.content)
      images.append(kept)
      if lastGood == old { lastGood = kept }
    }
    images.append(PresentImage(name, size: size, content: .signed))
    written.insert(name)
  }

  /// The UKIs that may be removed to make room for this kernel's UKI, least important first.
  private func victims(for kernel: Kernel, _ index: Int) -> [PresentImage] {
    // Skip foreign files; there may be thousands.
    let unneeded = images.filter { $0.isOurs && (removalReason(of: $0.name.kernel) != nil || isSuperseded($0)) }
    let previous = wanted.reversed().compactMap { wanted in
      images.first { $0.name == UKIName(wanted.kernel, isPrevious: true) }
    }
    // First its own old UKI, then those of less important kernels.
    let others = [kernel] + wanted[(index + 1)...].reversed().map(\.kernel)
    let current = others.compactMap { kernel in images.first { $0.name == UKIName(kernel) } }
    var seen: Set<UKIName> = []
    return (unneeded + previous + current).filter { isDispensable($0) && seen.insert($0.name).inserted }
  }

  private mutating func makeRoom(_ needed: Int, victims: [PresentImage], for kernel: Kernel) -> Bool {
    var available = free
    var taken: [PresentImage] = []
    for victim in victims where available < needed {
      available += victim.size
      taken.append(victim)
    }
    guard available >= needed else {
      plan.shortages.append(ImageChanges.Shortage(kernel: kernel, needed: needed, available: available))
      return false
    }
    for victim in taken {
      plan.steps.append(.remove(victim.name, removalReason(of: victim.name.kernel) ?? .room))
      plan.current.removeAll { UKIName($0) == victim.name }
      images.removeAll { $0.name == victim.name }
    }
    free = available
    return true
  }

  private mutating func removeOthers() {
    let hasGoodImage = !plan.current.isEmpty || plan.steps.contains { if case .write = $0 { true } else { false } }
    for image in images.filter(\.isOurs).sorted(by: { $0.name.fileName < $1.name.fileName }) {
      guard let reason = removalReason(of: image.name.kernel) ?? (isSuperseded(image) ? .superseded : nil) else {
        continue
      }
      if image.name.kernel.release == running, !image.name.isPrevious {
        plan.kept[image.name] = .running
      } else if image.name == lastGood?.name {
        plan.kept[image.name] = image.booted == nil ? .last : .knownGood
      } else if hasGoodImage {
        plan.steps.append(.remove(image.name, reason))
        images.removeAll { $0.name == image.name }
        free += image.size
      } else {
        plan.kept[image.name] = .last
      }
    }
  }

  private func removalReason(of kernel: Kernel) -> ImageChanges.RemovalReason? {
    if wantedKernels.contains(kernel) { return nil }
    if installed.contains(kernel) { return .unwanted }
    return inventory.present.contains(kernel.release) ? nil : .gone
  }

  private func isSuperseded(_ image: PresentImage) -> Bool {
    guard image.name.isPrevious else { return false }
    return images.contains { $0.name == UKIName(image.name.kernel) && $0.booted != nil }
  }

  private func isDispensable(_ image: PresentImage) -> Bool {
    guard image.isOurs, image.name != lastGood?.name, !written.contains(image.name), !keeping.contains(image.name)
    else { return false }
    return image.name.kernel.release != running || image.name.isPrevious
  }

  /// The space that a file needs: whole clusters of at most 64 KiB, and the same again for its directory entry.
  private static func requiredSpace(_ size: Int) -> Int { (size >> 16 + 2) << 16 }
}

/// The changes to the UKIs of one ESP, in order.
package struct ImageChanges: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    /// Removes a temporary file of an interrupted write, by its path on the ESP.
    case sweep(path: String)
    case remove(UKIName, RemovalReason)
    /// Writes the UKI of the kernel; with `keepsPrevious` the old one is kept under the previous UKI's name.
    case write(Kernel, keepsPrevious: Bool)
  }

  /// Why a UKI is removed.
  package enum RemovalReason: String, Hashable, Sendable {
    /// Its kernel is not installed.
    case gone = "gone"
    /// Its kernel is not among those that get a UKI.
    case unwanted = "unwanted"
    /// A newer UKI of its kernel has booted.
    case superseded = "superseded"
    /// The space is needed for something more important.
    case room = "room"
  }

  /// Why a UKI is kept although its kernel gets none.
  package enum KeepReason: String, Hashable, Sendable {
    /// The machine was last booted from it.
    case knownGood = "known-good"
    /// It belongs to the running kernel.
    case running
    /// No other UKI on this ESP is known to be correct.
    case last
  }

  /// A UKI that does not fit on the ESP.
  package struct Shortage: Hashable, Sendable {
    package var kernel: Kernel
    /// Bytes.
    package var needed: Int
    /// Bytes that could be made free for it.
    package var available: Int
  }

  package var steps: [Step] = []
  /// Kernels whose UKI is already in place.
  package var current: [Kernel] = []
  package var kept: [UKIName: KeepReason] = [:]
  package var shortages: [Shortage] = []
  /// pve-sb-uki's UKIs on the ESP after all steps.
  package var outcome: [UKIName] = []
  /// Free space after all steps, in bytes.
  package var free = 0

  package init() {}

  /// Whether the ESP has to be opened for writing.
  package var isChange: Bool { !steps.isEmpty }

  /// Kernels whose UKI is written.
  package var written: [Kernel] {
    steps.compactMap { if case .write(let kernel, _) = $0 { kernel } else { nil } }
  }

  /// UKIs that no longer exist after all steps.
  package var removed: Set<UKIName> {
    Set(steps.compactMap { if case .remove(let name, _) = $0 { name } else { nil } }).subtracting(outcome)
  }
}
