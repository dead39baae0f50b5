// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
import Messages

/// An open file descriptor, closed when the last reference is gone.
///
/// A class, since the supported compilers crash on a non-copyable structure here.
final class Descriptor: Sendable {
  let number: Int32

  init(owning number: Int32) { self.number = number }
  deinit { _ = close(number) }

  func status(path: String) throws(HostError) -> FileStatus {
    var status = stat()
    try SystemCall.check("examine", path) { fstat(number, &status) }
    return FileStatus(status)
  }

  /// Reads from `offset` until `buffer` is full or the file ends, and returns the number of bytes read.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, path: String) throws(HostError) -> Int {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let got = try SystemCall.check("read", path) { pread(number, rest.baseAddress, rest.count, offset + done) }
      if got == 0 { break }
      done += got
    }
    return done
  }

  /// The names in a directory in byte order, without `.` and `..`; it must have been opened for reading.
  ///
  /// A second call finds nothing without `rewind`.
  func names(path: String) throws(HostError) -> [String] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
    defer { buffer.deallocate() }
    var names: [[UInt8]] = []
    while true {
      let count = try SystemCall.check("list", path) {
        psu_read_directory(number, buffer.baseAddress, buffer.count)
      }
      guard count > 0 else { break }
      // struct linux_dirent64 (getdents64(2)): inode, offset, size of the entry, type, name.
      var start = 0
      while start < count {
        let name = buffer[(start + 19)...].prefix { $0 != 0 }
        if !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) { names.append(Array(name)) }
        start += Int(buffer.loadUnaligned(fromByteOffset: start + 16, as: UInt16.self))
      }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
  }

  func rewind(path: String) throws(HostError) {
    try SystemCall.check("list", path) { lseek(number, 0, SEEK_SET) }
  }

  /// Writes at `offset` and returns the number of bytes written, which may be less.
  ///
  /// An error for lack of room has a hint.
  static func write(
    _ bytes: UnsafeRawBufferPointer, to number: Int32, at offset: Int, path: String
  ) throws(HostError) -> Int {
    do throws(HostError) {
      return try SystemCall.check("write", path) { pwrite(number, bytes.baseAddress, bytes.count, offset) }
    } catch {
      var error = error
      switch error.errno {
      case ENOSPC, EDQUOT: error.hint = "free some space on that file system and try again"
      case EFBIG: error.hint = "run 'ulimit -f unlimited', or use a file system for larger files"
      default: break
      }
      throw error
    }
  }

  func synchronize(path: String) throws(HostError) { try Self.synchronize(number, path: path) }

  /// Writes the descriptor's data to the medium.
  ///
  /// Ignores EINVAL and ENOTSUP from file systems that do not support this.
  static func synchronize(_ number: Int32, path: String) throws(HostError) {
    do throws(HostError) {
      try SystemCall.check("sync", path) { fsync(number) }
    } catch {
      guard error.errno == EINVAL || error.errno == ENOTSUP else { throw error }
    }
  }
}
