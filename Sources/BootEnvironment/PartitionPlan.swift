// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What is to be done to the images of one partition, in this order.
package struct PartitionPlan: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    /// Removes what a write that never ended has left behind, by its path on the partition.
    case sweep(path: String)
    case remove(ImageName, Reason)
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
    /// No other image on this partition is known to be right.
    case last
  }

  /// An image that the partition has no room for.
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
  package var stays: [ImageName: Stay] = [:]
  package var shortages: [Shortage] = []
  /// The images of this program that are on the partition when all steps are done.
  package var images: [ImageName] = []
  /// Bytes that can still be written then.
  package var free = 0

  package init() {}

  /// Whether the partition must be opened for writing.
  package var isChange: Bool { !steps.isEmpty }
}
