// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Messages

/// A kernel that should have a UKI, and what has to be written for it.
package struct PlannedKernel: Hashable, Sendable {
  package enum Demand: Hashable, Sendable {
    /// The UKI with this digest, which exists on an ESP; the size is in bytes.
    case bytes(digest: [UInt8], size: Int)
    /// A UKI that has to be built, of at most this size in bytes.
    case build(size: Int)
    /// Nothing: the UKI cannot be built or was not requested; an existing one is kept.
    case none
  }

  package let kernel: Kernel
  /// Why it gets a UKI, most important reason first.
  let reasons: [WantedKernels.Reason]
  /// Whether its initrd is missing but its UKI exists; reported as a failure.
  package let hasLostInitrd: Bool
  package internal(set) var demand: Demand
  /// Whether no UKI can be built from the installed files; reported as a failure.
  package internal(set) var isUnusable = false
  /// Whether its UKI has to be built once the signing key is back; reported as a failure.
  package internal(set) var isWaitingForKey = false
  /// The inputs of its UKI; nil if none is built.
  var inputs: ImageInputs?

  package init(
    _ kernel: Kernel, reasons: [WantedKernels.Reason] = [], hasLostInitrd: Bool = false, demand: Demand = .none
  ) {
    self.kernel = kernel
    self.reasons = reasons
    self.hasLostInitrd = hasLostInitrd
    self.demand = demand
  }

  package var release: String { kernel.release }
  /// The name of its UKI.
  package var uki: UKIName { UKIName(kernel) }

  /// Bytes to write if its UKI is not in place; nil if nothing is written.
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

  /// Whether the UKI already exists on an ESP and only has to be copied.
  var isMade: Bool { if case .bytes = demand { true } else { false } }

  /// The same kernel without a demand.
  var withoutDemand: PlannedKernel {
    var kernel = self
    kernel.demand = .none
    return kernel
  }
}

extension PlannedKernel {
  /// Why it gets a UKI, most important reason first, such as `pin` and `running`.
  package var reasonNames: [String] { reasons.map(\.rawValue) }
  /// The same as words for people.
  package var reasonWords: [Message] { reasons.map(\.word) }

  /// The state for the JSON output.
  ///
  /// `made`: it exists on an ESP; `to-be-made`; `unusable`; `waiting` for the signing key; `no-initrd`: the existing
  /// one is kept; `not-chosen` by `--kernel`.
  package var imageState: String {
    switch demand {
    case .bytes: "made"
    case .build: "to-be-made"
    case .none: isUnusable ? "unusable" : isWaitingForKey ? "waiting" : hasLostInitrd ? "no-initrd" : "not-chosen"
    }
  }
}
