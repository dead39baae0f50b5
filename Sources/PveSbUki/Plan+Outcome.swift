// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment

extension Plan {
  /// By partition: the images on it when everything is done.
  var images: [String: [ImageName]] {
    Dictionary(uniqueKeysWithValues: partitions.map { ($0.name, $0.images.images) })
  }
}

extension Plan.Partition {
  /// What is known of images before anything is done: those that are right, those that stay, and those that cannot be had.
  func settled(_ plan: Plan) -> [Apply.Image] {
    var images = self.images.current.map { Apply.Image($0, on: name, .current) }
    images += plan.kernels.filter { $0.isStanding && self.images.images.contains(ImageName($0.kernel)) }
      .map { Apply.Image($0.kernel, on: name, .kept) }
    images += self.images.stays.keys.filter { !$0.isPrevious }.map { Apply.Image($0.kernel, on: name, .kept) }
    let unusable = plan.kernels.filter(\.isUnusable).map(\.kernel)
    let failed = unusable + plan.kernels.map(\.kernel).filter(withheld.contains) + self.images.shortages.map(\.kernel)
    return images + failed.map { Apply.Image($0, on: name, .failed) }
  }
}

extension Apply.Result {
  /// The result of a dry run: that everything in the plan succeeds.
  init(foreseenBy plan: Plan) {
    self.init(plan: plan, notes: plan.notes, failures: plan.failures)
    var made: Set<Kernel> = []
    for partition in plan.partitions {
      images += partition.settled(plan)
      for step in partition.images.steps {
        switch step {
        case .write(let kernel, _):
          let isCopy = !made.insert(kernel).inserted || plan.kernels.contains { $0.kernel == kernel && $0.isMade }
          images.append(Apply.Image(kernel, on: partition.name, isCopy ? .copied : .signed))
        case .remove(let name, let reason) where !name.isPrevious && reason != .room:
          images.append(Apply.Image(name.kernel, on: partition.name, .removed))
        default: break
        }
      }
      loaders += partition.loaders.steps.map { "\(partition.name): \($0.path.dropFirst())" }
    }
    sortImages(plan)
    entries = plan.entrySteps
    moduleSigning = plan.moduleSigning.map(\.message)
  }

  /// By partition, then the newest kernel first.
  mutating func sortImages(_ plan: Plan) {
    let partitions = plan.partitions.map(\.name)
    func rank(_ image: Apply.Image) -> (Int, Int, String) {
      let kernel = plan.installed.firstIndex { $0.release == image.kernel } ?? plan.installed.count
      return (partitions.firstIndex(of: image.partition) ?? partitions.count, kernel, image.kernel)
    }
    images.sort { rank($0) < rank($1) }
  }
}
