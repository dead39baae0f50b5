// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The options of `apply`.
package struct ApplyOptions: Sendable {
  /// Releases of the kernels to work on; empty for all kernels.
  ///
  /// Images of removed kernels are deleted only if it is empty.
  package var kernels: [String] = []
  /// Release of a kernel that must have an image after the run.
  ///
  /// If it cannot have one yet, that is a failure and not a note.
  package var expected: String?
  /// Whether to plan only, and change nothing.
  package var isDryRun = false
  /// Whether to rebuild images even if nothing changed.
  package var isForced = false
  /// Whether to replace a default that the administrator has set in systemd-boot.
  package var takesOverDefault = false
  /// Which images are read in full.
  ///
  /// For all others the manifest is trusted.
  package var reading = Reading.beforeRemoval
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package enum Reading: Sendable {
    /// The images on an ESP from which another image is removed.
    case beforeRemoval
    case all
    case none
  }

  package init() {}

  /// Whether failures of the run are recorded.
  var isRemembered: Bool { !isDryRun && kernels.isEmpty }
}
