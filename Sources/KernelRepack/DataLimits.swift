// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// What is read of a data archive; those of kernels have half a gigabyte.
enum DataLimits {
  /// Bytes unpacked.
  static let text = 8 << 30

  static func error(_ count: Int) -> ParseError {
    ParseError("data archive", at: 0, .range, "it has \(count) bytes unpacked, more than the \(text) that are read")
  }
}
