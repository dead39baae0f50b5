// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import HostSystem
internal import PortableExecutable

extension BootStep.Program {
  /// Recognises a program by its sections, otherwise by its name.
  ///
  /// A UKI counts as foreign here. Unreadable parts are ignored.
  init(of file: File, _ header: PEHeader, path: String) {
    let name = PathName(path).fileName.lowercased()
    func hasSection(_ name: String) -> Bool { header.section(named: name) != nil }
    if hasSection(".linux") {
      self = .foreignImage
    } else if hasSection(".vendor_cert") {
      self = .shim
    } else if Self.mark(in: file, header).starts(with: "#### LoaderInfo: systemd-boot".utf8) {
      self = .systemdBoot
    } else if Self.isKernel(file) {
      self = .kernel
    } else {
      self = Self.known(components: Self.components(in: file, header), name) ?? (hasSection("mods") ? .grub : .unknown)
    }
  }

  private static func known(components: Set<String>, _ name: String) -> Self? {
    if components.contains("grub") { return .grub }
    if components.contains("fwupd-efi") { return .fwupd }
    if components.contains("systemd-boot") { return .systemdBoot }
    if components.contains("shim") || components.isEmpty {
      if name.hasPrefix("mm") || name.hasPrefix("mokmanager") { return .mokManager }
      if name.hasPrefix("fb") || name.hasPrefix("fallback") { return .fallback }
      if name.hasPrefix("shim") || components.contains("shim") { return .shim }
    }
    if name.hasPrefix("grub") { return .grub }
    if name.hasPrefix("fwup") { return .fwupd }
    if name.hasPrefix("bootmgfw") || name.hasPrefix("bootmgr") { return .windows }
    return nil
  }

  /// The content of the section with which systemd's programs name themselves; empty if it is missing.
  private static func mark(in file: File, _ header: PEHeader) -> [UInt8] {
    guard let range = header.section(named: ".sdmagic")?.contentRange else { return [] }
    return (try? file.readBytes(at: range.lowerBound, count: min(range.count, 64), format: ".sdmagic")) ?? []
  }

  /// The components in the program's SBAT data.
  private static func components(in file: File, _ header: PEHeader) -> Set<String> {
    guard case .present(let bytes) = (try? header.sbat(in: file)) ?? .missing else { return [] }
    let lines = bytes.split { $0 == 0x0a || $0 == 0x0d || $0 == 0 }.prefix(100)
    return Set(lines.map { String(decoding: $0.prefix { $0 != UInt8(ascii: ",") }.prefix(64), as: UTF8.self) })
  }

  /// Whether it is a kernel of Linux: `HdrS` at 0x202 (x86, boot.rst), or `ARM\x64` at 0x38 (arm64, booting.rst).
  private static func isKernel(_ file: File) -> Bool {
    func has(_ magic: String, at offset: Int) -> Bool {
      (try? file.readBytes(at: offset, count: 4, format: "kernel"))?.elementsEqual(magic.utf8) == true
    }
    return has("HdrS", at: 0x202) || has("ARMd", at: 0x38)
  }
}
