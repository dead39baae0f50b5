// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import InitialRAMDisk

/// What an initrd contains that matters for reaching the root file system.
package struct InitrdContents: Hashable, Sendable {
  /// The program that made it.
  package enum Generator: String, Sendable {
    case initramfsTools = "initramfs-tools"
    case dracut = "dracut"
    case unknown = "unknown"
  }

  package var generator = Generator.unknown
  /// Whether it has `/init`, which the kernel starts.
  package var hasInit = false
  /// Whether `cryptroot/crypttab`, which initramfs-tools reads, has content.
  package var hasCryptroot = false
  /// Whether its files are in another file system inside it, which is not examined.
  package var isOpaque = false
  /// Some of `InitrdContents.knownPrograms`.
  package var programs: Set<String> = []
  /// The modules by kernel release, as in `ModuleName`.
  package var modules: [String: Set<String>] = [:]
  /// Releases for which it has modules.dep, without which modprobe finds no module.
  package var indexed: Set<String> = []

  package init() {}

  /// Programs that set up root file systems.
  package static let knownPrograms: Set<String> = [
    "cryptsetup", "lvm", "mdadm", "mount.zfs", "systemd-cryptsetup", "zfs", "zpool",
  ]
  /// The most kernel releases and modules of each that are kept; kernels have up to 10,000 modules.
  private static let releaseLimit = 16
  private static let moduleLimit = 20_000

  private static let programDirectories: Set<Substring> = [
    "bin", "sbin", "usr/bin", "usr/sbin", "lib/systemd", "usr/lib/systemd", "usr/local/bin", "usr/local/sbin",
  ]
  private static let opaqueNames: Set<Substring> = ["squashfs-root.img", "squash-root.img", "erofs-root.img"]

  /// Takes note of a member.
  package mutating func add(_ member: RAMDiskMember) {
    let path = Self.normalized(member.name)
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let name = slash.map { path[path.utf8.index(after: $0)...] } ?? path
    let directory = slash.map { path[..<$0] } ?? ""
    switch path {
    case "init": hasInit = true
    case "cryptroot/crypttab": hasCryptroot = member.size > 0
    case "conf/initramfs.conf", "scripts/init-top": generator = .initramfsTools
    case "usr/lib/dracut", "lib/dracut": if generator == .unknown { generator = .dracut }
    default: break
    }
    if directory.isEmpty, Self.opaqueNames.contains(name) { isOpaque = true }
    if !member.isDirectory, Self.programDirectories.contains(directory), Self.knownPrograms.contains(String(name)) {
      programs.insert(String(name))
    }
    if let rest = Self.moduleRest(path) { addModule(rest, name) }
  }

  private mutating func addModule(_ rest: Substring, _ name: Substring) {
    let release = String(rest.prefix { $0 != "/" })
    guard !release.isEmpty, modules[release] != nil || modules.count < Self.releaseLimit else { return }
    // The directory alone, as for a kernel without modules.
    if modules[release] == nil { modules[release] = [] }
    if rest == "\(release)/modules.dep" || rest == "\(release)/modules.dep.bin" { indexed.insert(release) }
    guard let module = ModuleName(fileName: name), modules[release]?.count ?? 0 < Self.moduleLimit else { return }
    modules[release]?.insert(module.text)
  }

  /// The path from the root, without a leading `/` or `./`.
  static func normalized(_ name: String) -> Substring {
    var path = name[...]
    while path.hasPrefix("/") || path.hasPrefix("./") { path = path.drop { $0 == "." }.dropFirst() }
    return path
  }

  /// The path below the modules' directory; nil for other paths.
  private static func moduleRest(_ path: Substring) -> Substring? {
    for prefix in ["usr/lib/modules/", "lib/modules/"] where path.hasPrefix(prefix) {
      return path.dropFirst(prefix.count)
    }
    return nil
  }
}

/// The name of a kernel module as modprobe compares it: without directory and suffixes, with `_` for `-`.
package struct ModuleName: Hashable, Sendable {
  package let text: String

  /// Nil if the file is not a module, or has a name that no module has.
  package init?(fileName: some StringProtocol) {
    guard let suffix = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].first(where: { fileName.hasSuffix($0) }) else {
      return nil
    }
    self.init(fileName.dropLast(suffix.count))
  }

  /// The module at that path; nil if it is not a module.
  package init?(path: Substring) {
    self.init(fileName: path.utf8.split(separator: UInt8(ascii: "/")).last.map { Substring($0) } ?? "")
  }

  /// Nil if no module has such a name.
  package init?(_ name: some StringProtocol) {
    let bytes = name.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
    guard 1...64 ~= bytes.count, bytes.allSatisfy({ 0x21...0x7e ~= $0 }) else { return nil }
    text = String(decoding: bytes, as: UTF8.self)
  }
}
