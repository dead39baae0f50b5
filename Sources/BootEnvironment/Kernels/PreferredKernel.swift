// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
internal import Messages

/// The kernel that `boot prefer` chose, in `/var/lib/pve-sb-uki/preferred`: its release and a line feed, or `~previous`
/// before the line feed for the previous UKI of that kernel.
///
/// Proxmox's own pin takes precedence, and is never changed.
package enum PreferredKernel {
  package static let path = "/var/lib/pve-sb-uki/preferred"

  /// The choice; nil if there is none.
  ///
  /// Throws `BootEnvironmentError` if the file is invalid, `HostError` if it cannot be read.
  package static func load(from files: FileSystem) throws -> UKIName? {
    guard let content = try files.readFileIfPresent(path, limit: 1 << 12) else { return nil }
    let line = content.last == UInt8(ascii: "\n") ? content.dropLast() : content[...]
    guard let image = UKIName(releaseAndMark: String(decoding: line, as: UTF8.self)) else {
      throw BootEnvironmentError(path, "not a kernel release", hint: "choose again with 'pve-sb-uki boot prefer'")
    }
    return image
  }

  /// Saves the choice, or removes it if `image` is nil; no change if it is already saved.
  ///
  /// Throws `HostError`.
  package static func save(_ image: UKIName?, to files: FileSystem) throws {
    guard let image else {
      try files.remove(path)
      return
    }
    try files.makeDirectory("/var/lib/pve-sb-uki")
    try files.replaceFile(path, content: Array("\(image.releaseAndMark)\n".utf8))
  }
}
