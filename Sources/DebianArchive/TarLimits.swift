// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What a tar archive may ask of its reader; the archives of kernel packages stay far below.
package struct TarLimits: Sendable {
  /// What becomes of an entry whose name or link leads out of the archive.
  package enum UnsafeNames: Sendable {
    /// Reading ends with an error.
    case refused
    /// The entry is passed on, for who only tells of it.
    case reported
  }

  /// Bytes of one header extension: a long name, or pax records.
  package var extensionSize = 1 << 20
  /// Header extensions before one entry.
  package var extensions = 16
  /// Entries in an archive.
  package var entries = 1 << 20
  package var unsafeNames = UnsafeNames.refused

  package init() {}
}
