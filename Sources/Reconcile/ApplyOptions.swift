// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The options of `apply`.
package struct ApplyOptions: Sendable {
  /// Releases of the kernels to process; empty for all kernels.
  ///
  /// UKIs of removed kernels are only deleted if this is empty.
  package var kernels: [String] = []
  /// Release of a kernel that must have a UKI after the run.
  ///
  /// If it cannot have one yet, that is a failure instead of a note.
  package var expected: String?
  /// Whether to plan only, without changing anything.
  package var isDryRun = false
  /// Whether to rebuild UKIs even if nothing changed.
  package var isForced = false
  /// Whether to replace a systemd-boot default set by the administrator.
  package var takesOverDefault = false
  /// Which UKIs are read in full.
  ///
  /// The manifest is trusted for all others.
  package var reading = Reading.beforeRemoval
  /// How long to wait for another run to finish, in seconds.
  package var lockTimeout = 120

  package enum Reading: Sendable {
    /// The UKIs on each ESP from which another UKI is removed.
    case beforeRemoval
    case all
    case none
  }

  package init() {}

  /// Whether failures of the run are recorded.
  var isRemembered: Bool { !isDryRun && kernels.isEmpty }
}
