// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment

/// Works out what is to be done to the images of one ESP, and that it has room for the peak of it.
///
/// One image on the ESP, the anchor, survives everything: the one the machine was last booted from, else the one
/// that comes nearest to that. Nor does the running kernel's image make room for anything.
package struct ImagePlanner: ~Copyable {
  /// In order of precedence.
  private let wanted: [PlannedKernel]
  private let inventory: KernelInventory
  private let running: String?
  private var images: [PresentImage]
  private var free: Int
  private var anchor: PresentImage?
  private var written: Set<UKIName> = []
  private var plan = ImageChanges()

  /// Plans for one ESP.
  ///
  /// - Parameters:
  ///   - wanted: in order of precedence; where not all find room, the last go without.
  ///   - contents: what lies on the ESP.
  ///   - inventory: what is installed; images of incomplete kernels are neither made nor removed.
  ///   - running: release of the running kernel.
  ///   - removesOthers: whether images that nobody wants are removed.
  /// - Returns: the steps in their order, and what the ESP holds after them.
  package static func plan(
    _ wanted: [PlannedKernel], on contents: ESPContents, inventory: KernelInventory, running: String?,
    removesOthers: Bool = true
  ) -> ImageChanges {
    var planner = ImagePlanner(wanted, contents: contents, inventory: inventory, running: running)
    for leftover in contents.leftovers { planner.sweep(leftover) }
    for (index, kernel) in wanted.enumerated() { planner.place(kernel, index) }
    if removesOthers { planner.removeOthers() }
    planner.plan.free = planner.free
    planner.plan.outcome = planner.images.filter(\.isOurs).map(\.name)
    return planner.plan
  }

  private init(_ wanted: [PlannedKernel], contents: ESPContents, inventory: KernelInventory, running: String?) {
    self.wanted = wanted
    self.inventory = inventory
    self.running = running
    images = contents.images
    free = contents.free
    anchor = Self.anchor(of: contents.images.filter(\.isOurs), wanted: wanted, running: running)
  }

  private static func anchor(
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
    let needed = Self.charge(size)
    guard makeRoom(needed, victims: victims(for: planned.kernel, index), for: planned.kernel) else { return }
    let name = planned.uki
    let previous = UKIName(planned.kernel, isPrevious: true)
    let old = images.first { $0.name == name }
    let keeps = old?.booted != nil && anchor?.name != previous
    plan.steps.append(.write(planned.kernel, keepsPrevious: keeps))
    free -= needed
    let replaced = keeps ? previous : name
    free += images.first { $0.name == replaced }?.size ?? 0
    images.removeAll { $0.name == replaced || $0.name == name }
    if keeps, let old {
      let kept = PresentImage(previous, size: old.size, content: old.content)
      images.append(kept)
      if anchor == old { anchor = kept }
    }
    images.append(PresentImage(name, size: size, content: .signed))
    written.insert(name)
  }

  /// What may go so that this kernel's image finds room, the most dispensable first.
  private func victims(for kernel: Kernel, _ index: Int) -> [PresentImage] {
    // What is not ours, perhaps thousands of files, is not even looked at.
    let unneeded = images.filter { $0.isOurs && (reasonToGo($0.name.kernel) != nil || isSuperseded($0)) }
    let previous = wanted.reversed().compactMap { wanted in
      images.first { $0.name == UKIName(wanted.kernel, isPrevious: true) }
    }
    // Its own old image, then those of the kernels that matter less.
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
      plan.steps.append(.remove(victim.name, reasonToGo(victim.name.kernel) ?? .room))
      plan.current.removeAll { UKIName($0) == victim.name }
      images.removeAll { $0.name == victim.name }
    }
    free = available
    return true
  }

  private mutating func removeOthers() {
    let isSound = !plan.current.isEmpty || plan.steps.contains { if case .write = $0 { true } else { false } }
    for image in images.filter(\.isOurs).sorted(by: { $0.name.fileName < $1.name.fileName }) {
      guard let reason = reasonToGo(image.name.kernel) ?? (isSuperseded(image) ? .superseded : nil) else { continue }
      if image.name.kernel.release == running, !image.name.isPrevious {
        plan.stays[image.name] = .running
      } else if image.name == anchor?.name {
        plan.stays[image.name] = image.booted == nil ? .last : .knownGood
      } else if isSound {
        plan.steps.append(.remove(image.name, reason))
        images.removeAll { $0.name == image.name }
        free += image.size
      } else {
        plan.stays[image.name] = .last
      }
    }
  }

  private func reasonToGo(_ kernel: Kernel) -> ImageChanges.Reason? {
    if wanted.contains(where: { $0.kernel == kernel }) { return nil }
    if inventory.kernels.contains(kernel) { return .unwanted }
    return inventory.present.contains(kernel.release) ? nil : .gone
  }

  private func isSuperseded(_ image: PresentImage) -> Bool {
    guard image.name.isPrevious else { return false }
    return images.contains { $0.name == UKIName(image.name.kernel) && $0.booted != nil }
  }

  private func isDispensable(_ image: PresentImage) -> Bool {
    guard image.isOurs, image.name != anchor?.name, !written.contains(image.name) else { return false }
    return image.name.kernel.release != running || image.name.isPrevious
  }

  /// What a file takes: whole clusters, of at most 64 KiB, and as much again for its directory entry.
  private static func charge(_ size: Int) -> Int { (size >> 16 + 2) << 16 }
}

/// What is to be done to the images of one ESP, in this order.
package struct ImageChanges: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    /// Removes what a write that never ended has left behind, by its path on the ESP.
    case sweep(path: String)
    case remove(UKIName, Reason)
    /// Writes the kernel's image. One that was there gets the previous one's name if it `keepsPrevious`.
    case write(Kernel, keepsPrevious: Bool)
  }

  /// Why an image is not needed any more.
  package enum Reason: String, Hashable, Sendable {
    /// Its kernel is not installed.
    case gone
    /// Its kernel is not among those that get an image.
    case unwanted
    /// Its successor has booted.
    case superseded
    /// Something that matters more needs the space.
    case room
  }

  /// Why an image stays although its kernel does not ask for it.
  package enum Stay: String, Hashable, Sendable {
    /// The machine was last booted from it.
    case knownGood = "known-good"
    /// It is the running kernel's.
    case running
    /// No other image on this ESP is known to be right.
    case last
  }

  /// An image that the ESP has no room for.
  package struct Shortage: Hashable, Sendable {
    package var kernel: Kernel
    /// Bytes.
    package var needed: Int
    /// Bytes that could be made free for it.
    package var available: Int
  }

  package var steps: [Step] = []
  /// Kernels whose image is in place already.
  package var current: [Kernel] = []
  package var stays: [UKIName: Stay] = [:]
  package var shortages: [Shortage] = []
  /// The images of this program that are on the ESP when all steps are done.
  package var outcome: [UKIName] = []
  /// Bytes that can still be written then.
  package var free = 0

  package init() {}

  /// Whether the ESP must be opened for writing.
  package var isChange: Bool { !steps.isEmpty }

  /// Kernels whose image is written.
  package var written: [Kernel] {
    steps.compactMap { if case .write(let kernel, _) = $0 { kernel } else { nil } }
  }

  /// Images that are gone at the end.
  package var removed: Set<UKIName> {
    Set(steps.compactMap { if case .remove(let name, _) = $0 { name } else { nil } }).subtracting(outcome)
  }
}
