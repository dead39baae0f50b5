// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What a kernel asks of every partition.
package struct WantedImage: Hashable, Sendable {
  package enum Demand: Hashable, Sendable {
    /// These bytes, which exist on some partition.
    case bytes(digest: [UInt8], size: Int)
    /// An image that has yet to be made, of at most that many bytes.
    case build(size: Int)
    /// Nothing now: it cannot be made, or was not asked for. What there is stays.
    case none
  }

  package var kernel: Kernel
  package var demand: Demand

  package init(_ kernel: Kernel, _ demand: Demand) {
    self.kernel = kernel
    self.demand = demand
  }

  /// Bytes to be written where it is not in place; nil if nothing is.
  package var size: Int? {
    switch demand {
    case .bytes(_, let size), .build(let size): size
    case .none: nil
    }
  }

  package func isInPlace(among present: [PresentImage]) -> Bool {
    guard case .bytes(let digest, _) = demand else { return false }
    return present.contains { $0.name == ImageName(kernel) && $0.holds(digest) }
  }
}
