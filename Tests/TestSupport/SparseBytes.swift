// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat

/// Some bytes followed by zeros up to any size, like a sparse file.
package struct SparseBytes: RandomAccessBytes {
  package let start: [UInt8]
  package let count: Int

  package init(_ start: [UInt8] = [], count: Int) {
    self.start = start
    self.count = count
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    for index in buffer.indices { buffer[index] = offset + index < start.count ? start[offset + index] : 0 }
  }
}
