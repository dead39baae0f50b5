// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CArchive
internal import Messages

/// libarchive.
enum ArchiveLibrary {
  /// Its functions.
  ///
  /// The first call loads it, with the dozen libraries that it needs: most runs unpack nothing. Throws
  /// `CompressionError` `unavailable` if it is not installed.
  static func load() throws -> psu_archive_calls {
    guard let calls = psu_load_archive() else {
      throw CompressionError(.unavailable, detail: "libarchive is not installed")
    }
    return calls.pointee
  }
}
