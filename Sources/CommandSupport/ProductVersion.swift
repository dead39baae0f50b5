// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The version of all programs; a test compares it with debian/changelog.
package enum ProductVersion {
  package static let text = "0.6.0"
}
