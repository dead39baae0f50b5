// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Why an image cannot be signed or its signature not be read.
package typealias AuthenticodeError = RuleError<AuthenticodeRule>

package enum AuthenticodeRule: ErrorRule {
  /// Signers and firmware would digest different bytes.
  case layout
  /// The image has no data directory that could name a certificate table.
  case noDirectory
  /// The signature is not of the shape EDK2 reads.
  case shape
  /// The file grows beyond what the format can describe.
  case size
}
