// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive

/// Which files of a package belong to a kernel, by their names.
enum KernelFiles {
  static let imagePrefix = "boot/vmlinuz-"
  private static let configurationPrefix = "boot/config-"
  private static let moduleDirectories = ["lib/modules/", "usr/lib/modules/"]
  private static let moduleSuffixes = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]

  static func interest(in path: ArchivePath, modules: ModulePolicy) -> DataScan.Interest? {
    if path.hasPrefix(imagePrefix) { return path.parents.count == 1 ? .image : nil }
    guard modules != .none else { return nil }
    if path.hasPrefix(configurationPrefix) { return .configuration }
    return kernel(ofModule: path) != nil && moduleSuffixes.contains(where: path.hasSuffix) ? .module : nil
  }

  /// The version of the kernel whose configuration this is.
  static func kernel(ofConfiguration path: ArchivePath) -> String {
    String(decoding: path.bytes.dropFirst(configurationPrefix.utf8.count), as: UTF8.self)
  }

  /// The version of the kernel in whose directory a module lies.
  static func kernel(ofModule path: ArchivePath) -> String? {
    guard let directory = moduleDirectories.first(where: path.hasPrefix) else { return nil }
    let rest = path.bytes.dropFirst(directory.utf8.count)
    let version = rest.prefix { $0 != UInt8(ascii: "/") }
    return version.count < rest.count ? String(decoding: version, as: UTF8.self) : nil
  }

  /// `CONFIG_MODULE_SIG_HASH` of a kernel's configuration; nil if modules are not signed, or with what nobody knows here.
  static func moduleDigest(in configuration: [UInt8]) -> DigestAlgorithm? {
    let name = Array("CONFIG_MODULE_SIG_HASH=\"".utf8)
    for line in configuration.split(separator: UInt8(ascii: "\n")) where line.starts(with: name) {
      let value = String(decoding: line.dropFirst(name.count).prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
      return DigestAlgorithm.forSignatures.first { $0.rawValue == value }
    }
    return nil
  }
}
