// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Why no Unified Kernel Image can be made of the given parts.
package typealias ImageError = RuleError<ImageRule>

package enum ImageRule: ErrorRule {
  /// The file given as stub is none that can be built upon.
  case stub
  /// The file given as kernel is none, or is a UKI itself.
  case kernel
  /// A part is empty or not of its kind.
  case content
  /// The command line holds what a command line cannot.
  case commandLine
  /// A section cannot be added.
  case section
  /// What was written is not what was meant to be.
  case selfCheck

  package var namesItsObject: Bool { self != .selfCheck }
}
