// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Memory for a text, freed with the last reference.
///
/// Written by whoever makes it, and only read once it is shared, which is why it may be.
final class TextBuffer: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer

  init(count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }
  deinit { bytes.deallocate() }
}
