// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import CLinux
import Glibc
internal import Messages

/// A block device or disk image that is open for reading; closed when the last reference is gone.
final class BlockDevice: RandomAccessBytes {
  /// The path, for messages.
  let path: String
  /// Nil for a disk image in a regular file.
  let number: DeviceNumber?
  /// Bytes.
  let count: Int
  let descriptor: Descriptor

  /// Throws `HostError` unless the path is a block device, or with `orImage` a regular file.
  init(_ path: String, in files: FileSystem, orImage: Bool = false) throws {
    self.path = files.display(path)
    // Check the kind first: opening other files could block or have side effects.
    let status = try files.requiredStatus(of: path)
    guard status.kind == .blockDevice || orImage && status.kind == .regular else {
      throw HostError("open", self.path, detail: "it is not a block device")
    }
    descriptor = try files.open(path, O_RDONLY | O_NONBLOCK)
    number = try descriptor.status(path: self.path).blockDevice
    let end = lseek(descriptor.number, 0, SEEK_END)
    guard end >= 0 else { throw HostError("examine", self.path, errno: errno) }
    count = Int(end)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    let got = try descriptor.read(into: buffer, at: offset, path: path)
    guard got == buffer.count else {
      throw HostError("read", path, detail: "it ends at byte \(offset + got)")
    }
  }

  /// Whether it is mounted in any mount namespace, or part of a device in use (open(2), O_EXCL).
  func isInUse(path: String, in files: FileSystem) throws -> Bool {
    do throws(HostError) {
      _ = try files.open(path, O_RDONLY | O_NONBLOCK | O_EXCL)
      return false
    } catch {
      guard error.errno == EBUSY else { throw error }
      return true
    }
  }
}

/// The number by which the kernel identifies a device.
package struct DeviceNumber: Hashable, Sendable {
  package var major: UInt32
  package var minor: UInt32

  package init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }

  init(_ number: dev_t) {
    major = psu_device_major(number)
    minor = psu_device_minor(number)
  }

  /// Parses `8:1`, as in /proc and /sys; nil for any other text.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]) else { return nil }
    self.init(major: major, minor: minor)
  }
}

extension DeviceNumber: CustomStringConvertible {
  package var description: String { "\(major):\(minor)" }
}
