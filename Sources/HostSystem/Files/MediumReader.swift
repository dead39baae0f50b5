// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

/// Reads a file from the medium instead of the page cache (open(2), O_DIRECT).
///
/// The kernel transfers whole blocks to an aligned buffer, so the reader keeps the part of the file that it read last.
final class MediumReader: Sendable {
  private struct Window: @unchecked Sendable {  // Only used under the lock.
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: MediumReader.size, alignment: MediumReader.alignment)
    var start = 0
    var count = 0
    var isDirect = true
  }

  /// As large as a `TransferBuffer`.
  private static let size = 256 << 10
  /// No disk has larger blocks.
  private static let alignment = 4096

  private let descriptor: Descriptor
  private let window = Guarded(Window())

  private init(_ descriptor: Descriptor) { self.descriptor = descriptor }

  deinit { window.withLock { $0.bytes.deallocate() } }

  /// A reader of an open file; nil if its file system reads everything through the page cache.
  static func of(_ descriptor: Descriptor) -> MediumReader? {
    psu_set_direct(descriptor.number, 1) == 0 ? MediumReader(descriptor) : nil
  }

  /// Whether everything so far came from the medium.
  var isDirect: Bool { window.withLock { $0.isDirect } }

  /// Reads from `offset` until `target` is full or the file ends, and returns the number of bytes read.
  func read(into target: UnsafeMutableRawBufferPointer, at offset: Int, path: String) throws(HostError) -> Int {
    let result = window.withLock { window -> Result<Int, HostError> in
      Result { () throws(HostError) in try copy(into: target, at: offset, &window, path: path) }
    }
    return try result.get()
  }

  private func copy(
    into target: UnsafeMutableRawBufferPointer, at offset: Int, _ window: inout Window, path: String
  ) throws(HostError) -> Int {
    var done = 0
    while done < target.count {
      let position = offset + done
      if position < window.start || position >= window.start + window.count {
        try fill(&window, at: position, path: path)
        guard position < window.start + window.count else { break }
      }
      let count = min(target.count - done, window.start + window.count - position)
      UnsafeMutableRawBufferPointer(rebasing: target[done..<done + count]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: window.bytes[position - window.start..<position - window.start + count]))
      done += count
    }
    return done
  }

  /// Reads the window that contains `offset`.
  private func fill(_ window: inout Window, at offset: Int, path: String) throws(HostError) {
    window.start = offset / Self.alignment * Self.alignment
    window.count = 0
    // A short read is the end of the file: what follows it could not be read at an aligned offset.
    func next() throws(HostError) -> Int {
      try SystemCall.check("read", path) {
        pread(descriptor.number, window.bytes.baseAddress, window.bytes.count, window.start)
      }
    }
    do throws(HostError) {
      window.count = try next()
    } catch {
      // Some file systems accept the flag and then reject a read.
      guard error.errno == EINVAL, window.isDirect, psu_set_direct(descriptor.number, 0) == 0 else { throw error }
      window.isDirect = false
      window.count = try next()
    }
  }
}
