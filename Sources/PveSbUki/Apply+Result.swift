// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import Messages

extension Apply {
  /// What became of one kernel's image on one partition.
  package struct Image: Hashable, Sendable {
    package enum State: String, Sendable {
      /// It was there and right; nothing was written.
      case current
      /// It was made there, verified and put in place.
      case signed
      /// It was copied from another partition, verified and put in place.
      case copied
      /// It could not be put there; one that was there before is still there.
      case failed
      /// Its kernel is gone or gets no image any more, so it is gone too.
      case removed
      /// Its kernel is gone or gets no image any more, but it must stay for a reason that a note tells.
      case kept

      /// What has been done, for people.
      package var word: Message {
        switch self {
        case .current: "unchanged"
        case .signed: "signed"
        case .copied: "copied"
        case .failed: "failed"
        case .removed: "removed"
        case .kept: "kept"
        }
      }
    }

    /// Release of its kernel.
    package var kernel: String
    /// Name of the partition: its volume serial number, or the path where it is mounted.
    package var partition: String
    /// Path on the partition: `EFI/Linux/pve-K.efi`.
    package var name: String
    package var state: State

    init(_ kernel: Kernel, on partition: String, _ state: State) {
      self.kernel = kernel.release
      self.partition = partition
      name = String(ImageName(kernel).path.dropFirst())
      self.state = state
    }
  }

  /// What was done.
  package struct Result: Sendable {
    /// Why nothing was to be done; nil if there was something to reconcile.
    package var obstacle: Obstacle?
    /// What was to be done; nil with an obstacle.
    package var plan: Plan?
    /// By partition and kernel, the newest first, then those of gone kernels. In a dry run what they would be.
    package var images: [Image] = []
    /// Boot loaders and their settings that were written, or would be: partition, colon, path.
    package var loaders: [String] = []
    /// Changes made to boot entries, in the imperative. In a dry run those that would be.
    package var entries: [Message] = []
    /// Settings of dkms that were written or removed, or would be, in the imperative.
    package var moduleSigning: [Message] = []
    /// What was mended on partitions before anything else, one sentence each.
    package var mended: [Message] = []
    /// One sentence each.
    package var notes: [Message] = []
    /// One for each thing that is not as it should be; the same reason counts once.
    package var failures: [Failure] = []

    /// Whether a partition was mended, or an image, boot loader, boot entry or setting of dkms was, or would be, written
    /// or removed.
    package var isChange: Bool {
      !mended.isEmpty || !entries.isEmpty || !loaders.isEmpty || !moduleSigning.isEmpty
        || images.contains { [.signed, .copied, .removed].contains($0.state) }
    }
  }
}
