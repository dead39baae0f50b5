// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An entry of type 1 of the Boot Loader Specification: a text file in `loader/entries` that names a kernel, initrds
/// and a command line on the same partition. No signature covers the text or the initrds.
package struct TypeOneEntry: Hashable, Sendable {
  /// From the root of the partition; nil for a kernel of proxmox-boot-tool's to which no entry leads.
  package var path: String?
  package var title: String?
  package var version: String?
  /// What it starts, from the root of the partition.
  package var program: String
  /// From the root of the partition, in the order of use.
  package var initrds: [String] = []
  /// All lines of options, joined by a space.
  package var options = ""
  /// Whether it starts a kernel, whose initrds and options nobody checks, and not some other program by the key `efi`.
  package var startsKernel = true
  /// Whether proxmox-boot-tool made it and would make it again: its kernel lies in `EFI/proxmox`.
  package var isOfProxmox: Bool { Self.proxmoxVersion(ofFile: program) != nil }

  package static let directory = "/loader/entries"
  /// Where proxmox-boot-tool puts a directory for each kernel.
  package static let proxmoxDirectory = "/EFI/proxmox"

  /// Reads an entry; nil for a text that names nothing to start, which systemd-boot passes over.
  package init?(parsing content: [UInt8], path: String) {
    let text = LoaderText(parsing: content)
    guard let program = text.settings.last(where: { $0.key == "linux" || $0.key == "efi" }) else { return nil }
    self.path = path
    self.program = Self.normalized(program.value)
    if self.program.isEmpty { return nil }
    startsKernel = program.key == "linux"
    title = text.values(of: "title").last
    version = text.values(of: "version").last
    initrds = text.values(of: "initrd").map(Self.normalized)
    options = text.values(of: "options").joined(separator: " ")
  }

  /// A kernel of proxmox-boot-tool's without an entry.
  init(proxmoxVersion version: String) {
    self.version = version
    program = "\(Self.proxmoxDirectory)/\(version)/vmlinuz-\(version)"
    initrds = ["\(Self.proxmoxDirectory)/\(version)/initrd.img-\(version)"]
  }

  /// The version whose directory in `EFI/proxmox` the file lies in; nil for one that lies elsewhere or deeper.
  static func proxmoxVersion(ofFile path: String) -> String? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 5, "/\(parts[1])/\(parts[2])".lowercased() == proxmoxDirectory.lowercased() else { return nil }
    return Kernel(release: parts[3])?.release
  }

  /// A path as it is written here: with a slash at its begin and single ones in it.
  private static func normalized(_ path: String) -> String {
    path.split { $0 == "/" || $0 == "\\" }.map { "/" + $0 }.joined()
  }
}
