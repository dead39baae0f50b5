// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// What liblzma could not do, and what to do about it.
package typealias XZError = RuleError<XZRule>

package enum XZRule: ErrorRule {
  /// The data is damaged, or not such a stream.
  case damage
  /// The caller, or what memory there is.
  case use
}
