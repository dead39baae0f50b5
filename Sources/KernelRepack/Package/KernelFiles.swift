// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianArchive

/// Which files of a package belong to a kernel, by their paths.
///
/// Two layouts exist: Debian 13 and Proxmox have `boot/vmlinuz-K` and `boot/config-K`; Debian 14 has `vmlinuz` and
/// `config` in `usr/lib/modules/K`. Below `boot`, an image may be in any directory.
enum KernelFiles {
  enum Kind: Sendable {
    case image
    case module
    /// A kernel's configuration, which states the digest that its modules are signed with.
    case configuration
  }

  private static let imageName = "vmlinuz"
  private static let configurationPrefix = "boot/config-"
  private static let moduleDirectories = ["lib/modules/", "usr/lib/modules/"]
  private static let moduleSuffixes = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]

  /// The kind of the file at `path`; nil for other files.
  static func kind(of path: ArchivePath) -> Kind? {
    if path.hasPrefix("boot/"), path.lastComponent.starts(with: imageName.utf8) { return .image }
    if kernel(ofConfiguration: path) != nil { return .configuration }
    guard let (_, rest) = moduleDirectory(of: path) else { return nil }
    if rest.starts(with: imageName.utf8), !rest.contains(UInt8(ascii: "/")) { return .image }
    return moduleSuffixes.contains(where: path.hasSuffix) ? .module : nil
  }

  /// The release of the kernel that the configuration at `path` is for; nil for other files.
  static func kernel(ofConfiguration path: ArchivePath) -> String? {
    if path.hasPrefix(configurationPrefix), path.parents.count == 1 {
      return String(decoding: path.bytes.dropFirst(configurationPrefix.utf8.count), as: UTF8.self)
    }
    guard let (kernel, rest) = moduleDirectory(of: path), rest.elementsEqual("config".utf8) else { return nil }
    return kernel
  }

  /// The release of the kernel whose module directory contains `path`.
  static func kernel(ofModule path: ArchivePath) -> String? { moduleDirectory(of: path)?.kernel }

  /// The release of the kernel whose module directory contains `path`, and the path from there.
  private static func moduleDirectory(of path: ArchivePath) -> (kernel: String, rest: ArraySlice<UInt8>)? {
    guard let directory = moduleDirectories.first(where: path.hasPrefix) else { return nil }
    let rest = path.bytes.dropFirst(directory.utf8.count)
    guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return nil }
    return (String(decoding: rest[..<slash], as: UTF8.self), rest[(slash + 1)...])
  }
}
