// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What `apply` was asked for.
package struct ApplyOptions: Sendable {
  /// Releases to restrict the run to; empty for all kernels, and only then are images of gone kernels removed.
  package var kernels: [String] = []
  /// A release that must end with an image: that it cannot have one yet is a failure, not a note.
  package var expected: String?
  /// Whether only the plan is worked out.
  package var isDryRun = false
  /// Whether images are made anew though nothing changed.
  package var isForced = false
  /// Whether systemd-boot's default is ours to set though the administrator has chosen another.
  package var takesOverDefault = false
  /// Which images are read whole, and not taken at the manifest's word.
  package var reading = Reading.beforeRemoval
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package enum Reading: Sendable {
    /// Those on an ESP from which another image goes.
    case beforeRemoval
    case all
    case none
  }

  package init() {}

  /// Whether a failure of the run is kept on record.
  var isRemembered: Bool { !isDryRun && kernels.isEmpty }
}
