// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Works out what is to be done to one partition, and that it has room for the peak of it.
///
/// One image on the partition, the anchor, survives everything: the one the machine was last booted from, else the one
/// that comes nearest to that. Nor does the running kernel's image make room for anything.
package struct PartitionPlanner {
  /// What was found on the partition.
  package struct State: Hashable, Sendable {
    package var images: [PresentImage]
    /// Paths and sizes of what writes that never ended have left behind.
    package var leftovers: [Leftover]
    /// Bytes that can still be written.
    package var free: Int
    /// What a check of the file system has made files of, and is not known to be ours.
    package var salvaged: [Leftover] = []

    package struct Leftover: Hashable, Sendable {
      package var path: String
      package var size: Int
      package init(path: String, size: Int) {
        self.path = path
        self.size = size
      }
    }

    package init(images: [PresentImage], leftovers: [Leftover] = [], free: Int) {
      self.images = images
      self.leftovers = leftovers
      self.free = free
    }
  }

  /// In order of precedence.
  private let wanted: [WantedImage]
  private let inventory: Kernel.Inventory
  private let running: String?
  private var images: [PresentImage]
  private var free: Int
  private var anchor: PresentImage?
  private var written: Set<ImageName> = []
  private var plan = PartitionPlan()

  /// - Parameters:
  ///   - wanted: in order of precedence; where not all find room, the last go without.
  ///   - inventory: what is installed; images of incomplete kernels are neither made nor removed.
  ///   - running: release of the running kernel.
  ///   - removesOthers: whether images that nobody wants are removed.
  package static func plan(
    _ wanted: [WantedImage], on state: State, inventory: Kernel.Inventory, running: String?, removesOthers: Bool = true
  ) -> PartitionPlan {
    var planner = PartitionPlanner(wanted, state, inventory, running)
    for leftover in state.leftovers { planner.sweep(leftover) }
    for (index, image) in wanted.enumerated() { planner.place(image, index) }
    if removesOthers { planner.removeOthers() }
    planner.plan.free = planner.free
    planner.plan.images = planner.images.filter(\.isOurs).map(\.name)
    return planner.plan
  }

  private init(_ wanted: [WantedImage], _ state: State, _ inventory: Kernel.Inventory, _ running: String?) {
    self.wanted = wanted
    self.inventory = inventory
    self.running = running
    images = state.images
    free = state.free
    anchor = Self.anchor(of: state.images.filter(\.isOurs), wanted, running)
  }

  private static func anchor(
    of images: [PresentImage], _ wanted: [WantedImage], _ running: String?
  ) -> PresentImage? {
    if let good = images.max(by: { ($0.booted ?? .min) < ($1.booted ?? .min) }), good.booted != nil { return good }
    func image(of kernel: Kernel) -> PresentImage? { images.first { $0.name == ImageName(kernel) } }
    if let inPlace = wanted.first(where: { $0.isInPlace(among: images) }) { return image(of: inPlace.kernel) }
    if let ofRunning = images.first(where: { $0.name.kernel.release == running }) { return ofRunning }
    return wanted.lazy.compactMap { image(of: $0.kernel) }.first ?? images.first
  }

  private mutating func sweep(_ leftover: State.Leftover) {
    plan.steps.append(.sweep(path: leftover.path))
    free += leftover.size
  }

  private mutating func place(_ image: WantedImage, _ index: Int) {
    if image.isInPlace(among: images) {
      plan.current.append(image.kernel)
      return
    }
    guard let size = image.size else { return }
    let needed = Self.charge(size)
    guard makeRoom(needed, victims: victims(for: image.kernel, index), for: image.kernel) else { return }
    let name = ImageName(image.kernel)
    let previous = ImageName(image.kernel, isPrevious: true)
    let old = images.first { $0.name == name }
    let keeps = old?.booted != nil && anchor?.name != previous
    plan.steps.append(.write(image.kernel, keepsPrevious: keeps))
    free -= needed
    let replaced = keeps ? previous : name
    free += images.first { $0.name == replaced }?.size ?? 0
    images.removeAll { $0.name == replaced || $0.name == name }
    if keeps, let old {
      let kept = PresentImage(previous, size: old.size, old.content)
      images.append(kept)
      if anchor == old { anchor = kept }
    }
    images.append(PresentImage(name, size: size, .signed))
    written.insert(name)
  }

  /// What may go so that this kernel's image finds room, the most dispensable first.
  private func victims(for kernel: Kernel, _ index: Int) -> [PresentImage] {
    // What is not ours, perhaps thousands of files, is not even looked at.
    let unneeded = images.filter { $0.isOurs && (reasonToGo($0.name.kernel) != nil || isSuperseded($0)) }
    let previous = wanted.reversed().compactMap { wanted in
      images.first { $0.name == ImageName(wanted.kernel, isPrevious: true) }
    }
    // Its own old image, then those of the kernels that matter less.
    let others = [kernel] + wanted[(index + 1)...].reversed().map(\.kernel)
    let current = others.compactMap { kernel in images.first { $0.name == ImageName(kernel) } }
    var seen: Set<ImageName> = []
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
      plan.shortages.append(PartitionPlan.Shortage(kernel: kernel, needed: needed, available: available))
      return false
    }
    for victim in taken {
      plan.steps.append(.remove(victim.name, reasonToGo(victim.name.kernel) ?? .room))
      plan.current.removeAll { ImageName($0) == victim.name }
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

  private func reasonToGo(_ kernel: Kernel) -> PartitionPlan.Reason? {
    if wanted.contains(where: { $0.kernel == kernel }) { return nil }
    if inventory.kernels.contains(kernel) { return .unwanted }
    return inventory.present.contains(kernel.release) ? nil : .gone
  }

  private func isSuperseded(_ image: PresentImage) -> Bool {
    guard image.name.isPrevious else { return false }
    return images.contains { $0.name == ImageName(image.name.kernel) && $0.booted != nil }
  }

  private func isDispensable(_ image: PresentImage) -> Bool {
    guard image.isOurs, image.name != anchor?.name, !written.contains(image.name) else { return false }
    return image.name.kernel.release != running || image.name.isPrevious
  }

  /// What a file takes: whole clusters, of at most 64 KiB, and as much again for its directory entry.
  private static func charge(_ size: Int) -> Int { (size >> 16 + 2) << 16 }
}
