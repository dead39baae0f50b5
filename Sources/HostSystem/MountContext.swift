// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
import Glibc
internal import Messages

/// A mount in the making (fsopen(2)). What the kernel says about a failure becomes its error's detail.
struct MountContext {
  private let descriptor: Descriptor
  /// The device, for messages.
  private let path: String

  init(type: String, path: String) throws(HostError) {
    self.path = path
    descriptor = Descriptor(owning: try SystemCall.check("mount", path) { psu_fsopen(type) })
  }

  /// Sets an option, or a flag if there is no value.
  func set(_ key: String, _ value: String? = nil) throws(HostError) {
    try explained { psu_fsconfig_set(descriptor.number, key, value) }
  }

  /// Finds or makes the superblock and mounts it where nobody sees it.
  func mount(readOnly: Bool) throws(HostError) -> Descriptor {
    try explained { psu_fsconfig_create(descriptor.number) }
    return Descriptor(owning: try explained { psu_fsmount(descriptor.number, readOnly) })
  }

  @discardableResult
  private func explained(_ call: () -> Int32) throws(HostError) -> Int32 {
    do throws(HostError) {
      return try SystemCall.check("mount", path, call)
    } catch {
      var error = error
      if let message = message() { error.detail = "\(Message(systemError: error.errno)) (\(message))" }
      throw error
    }
  }

  /// The last line of the context's log, without the letter that tells an error from a warning.
  private func message() -> String? {
    var last: String?
    var buffer = [UInt8](repeating: 0, count: 1024)
    for _ in 0..<32 {
      let count = Glibc.read(descriptor.number, &buffer, buffer.count)
      guard count > 0 else { break }
      let line = String(decoding: buffer[..<count].prefix { $0 != 0x0a }, as: UTF8.self)
      last = String(
        line.hasPrefix("e ") || line.hasPrefix("w ") || line.hasPrefix("i ") ? line.dropFirst(2) : line[...])
    }
    return last
  }
}
