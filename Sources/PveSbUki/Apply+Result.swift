// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension Apply {
  package struct Image: Hashable, Sendable {
    package enum State: String, Sendable {
      /// It was there and right; nothing was written.
      case current
      /// It was made, verified and put in place.
      case signed
      /// It could not be made; one that was there before is still there.
      case failed
      /// Its kernel is gone, so it is too.
      case removed
      /// Its kernel is gone, but it must stay for a reason that a note tells.
      case kept
    }

    /// Release of its kernel.
    package var kernel: String
    /// Host path.
    package var path: String
    /// Path on the partition: `EFI/Linux/pve-K.efi`.
    package var name: String
    package var state: State
  }

  /// What was done, or in a dry run would be.
  package struct Result: Sendable {
    /// Why nothing was to be done; nil if there was something to reconcile.
    package var obstacle: Obstacle?
    /// Host path of the partition; nil with an obstacle.
    package var partition: String?
    /// By kernel, the newest first, then those of gone kernels.
    package var images: [Image] = []
    /// One sentence each.
    package var notes: [String] = []
    /// One for each kernel that has not the image it should have; the same reason counts once.
    package var failures: [Failure] = []

    /// Whether the partition was, or would be, written to.
    package var isChange: Bool { images.contains { $0.state == .signed || $0.state == .removed } }
  }
}
