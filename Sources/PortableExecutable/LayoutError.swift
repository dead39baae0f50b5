// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Why sections cannot be added to an image.
package typealias LayoutError = RuleError<LayoutRule>

package enum LayoutRule: ErrorRule {
  /// The section table cannot grow far enough in front of the first section in memory.
  case headerRoom
  /// A section's new content does not fit in front of its successor in memory.
  case sectionRoom
  /// A name is empty, longer than eight bytes or taken.
  case name
  /// The image would be larger than the format can describe.
  case size
  /// The image has parts whose meaning would be lost.
  case unsupported
}
