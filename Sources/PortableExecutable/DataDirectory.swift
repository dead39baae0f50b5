// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An entry of the optional header's data directories.
package struct DataDirectory: Hashable, Sendable {
  /// Address relative to the image base; for the certificate table an offset in the file.
  package var address: UInt32
  /// Size in bytes.
  package var size: UInt32

  package init(address: UInt32, size: UInt32) {
    self.address = address
    self.size = size
  }

  package static let none = DataDirectory(address: 0, size: 0)
  /// Index of the certificate table, `IMAGE_DIRECTORY_ENTRY_SECURITY`.
  package static let certificateTable = 4
  /// Index of the debug directory, `IMAGE_DIRECTORY_ENTRY_DEBUG`.
  package static let debug = 6
}
