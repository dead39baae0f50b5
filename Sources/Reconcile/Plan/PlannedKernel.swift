// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Messages

/// A kernel that gets an image, or should, and what it asks of every ESP.
package struct PlannedKernel: Hashable, Sendable {
  package enum Demand: Hashable, Sendable {
    /// These bytes, which exist on some ESP.
    case bytes(digest: [UInt8], size: Int)
    /// An image that has yet to be made, of at most that many bytes.
    case build(size: Int)
    /// Nothing now: it cannot be made, or was not asked for. What there is stays.
    case none
  }

  package let kernel: Kernel
  /// Why it gets one, the weightiest first.
  let reasons: [WantedKernels.Reason]
  /// Whether it has lost its initrd, but not its image; a failure says so.
  package let isStanding: Bool
  package internal(set) var demand: Demand
  /// Whether no image can be made of what is installed; a failure says why.
  package internal(set) var isUnusable = false
  /// What its image is made of; nil if none is to be made.
  var inputs: ImageInputs?

  package init(
    _ kernel: Kernel, reasons: [WantedKernels.Reason] = [], isStanding: Bool = false, demand: Demand = .none
  ) {
    self.kernel = kernel
    self.reasons = reasons
    self.isStanding = isStanding
    self.demand = demand
  }

  package var release: String { kernel.release }
  /// The name of its image.
  package var uki: UKIName { UKIName(kernel) }

  /// Bytes to be written where its image is not in place; nil if nothing is.
  package var size: Int? {
    switch demand {
    case .bytes(_, let size), .build(let size): size
    case .none: nil
    }
  }

  package func isInPlace(among present: [PresentImage]) -> Bool {
    guard case .bytes(let digest, _) = demand else { return false }
    return present.contains { $0.name == uki && $0.holds(digest) }
  }

  /// Whether the image exists somewhere and needs only be copied.
  var isMade: Bool { if case .bytes = demand { true } else { false } }

  /// The same with nothing asked for.
  var withoutDemand: PlannedKernel {
    var kernel = self
    kernel.demand = .none
    return kernel
  }
}

extension PlannedKernel {
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
}
