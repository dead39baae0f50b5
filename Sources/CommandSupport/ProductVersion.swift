// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The version of everything that is built here; a test holds it against debian/changelog.
package enum ProductVersion {
  package static let text = "0.1.0"
}
