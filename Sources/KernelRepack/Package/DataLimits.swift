// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// What is read of a data archive; those of kernels have half a gigabyte.
enum DataLimits {
  /// Bytes unpacked of an archive that has `packed` bytes: files of a kernel take a tenth of their size, zeros
  /// less than a thousandth.
  static func text(of packed: Int) -> Int { packed > 127 << 20 ? 8 << 30 : (64 << 20) + 64 * packed }

  static func error(_ count: Int) -> ParseError {
    ParseError("xz", at: 0, .range, "it has \(count) bytes unpacked, more than any kernel's package")
  }
}
