// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// The image checksum of the optional header: the 16-bit words of the file, the field itself as zero, plus the size.
///
/// Feed the bytes in order with the CheckSum field and the certificate directory entry as zero, because both are known
/// only at the end.
package struct CheckSum: Sendable {
  private var sum = OnesComplementSum()
  private var count = 0

  package init() {}

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    sum.update(bytes)
    count += bytes.count
  }

  package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The checksum with `directory` as the certificate directory entry, which is at an even offset and was fed as zero.
  package func value(with directory: [UInt8]) -> UInt32 {
    var total = sum
    if !count.isMultiple(of: 2) { total.update([0]) }
    total.update(directory)
    return UInt32(total.value) &+ UInt32(truncatingIfNeeded: count)
  }
}
