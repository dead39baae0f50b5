// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import EFIData
package import HostSystem

/// What the running system tells about how it was booted.
///
/// The variables it is read from live until the machine is switched off or reset, so after kexec(2) they still tell of
/// the boot before. What each of them means depends on who set it:
///
/// | started by | stub 252 sets | stub 257 sets |
/// |---|---|---|
/// | the firmware or shim | StubInfo; Loader… with its own image and partition | Stub… and Loader… with its own |
/// | systemd-boot, which sets LoaderInfo, Loader… with its own and LoaderEntrySelected | StubInfo | Stub… with its own |
///
/// Loader… and Stub… stand for `ImageIdentifier` and `DevicePartUUID`.
package struct BootEvidence: Hashable, Sendable {
  /// When the kernel started, in seconds since 1970, by today's setting of the clock.
  package var bootTime: Int64
  /// Name and version of the boot loader, such as `systemd-boot 257.9-1~deb13u1`; nil where the firmware or shim
  /// started the image and where a loader does not introduce itself, as GRUB before 2.12.
  package var loader: String?
  /// File name of the unified image that was booted, such as `pve-6.8.12-4-pve.efi`; in lower case where only
  /// systemd-boot names it.
  ///
  /// Nil if there was none or nobody tells.
  package var imageName: String?
  /// Unique GUID of the partition that image or the boot loader was read from.
  package var partition: GUID?
  /// Number of the Boot#### variable that the firmware chose.
  package var bootCurrent: UInt16?

  package var isBySystemdBoot: Bool { loader?.hasPrefix(Self.systemdBoot) ?? false }
  private static let systemdBoot = "systemd-boot "

  /// Nil where the system does not say when it was booted or has no EFI variables: in another root, after a BIOS boot,
  /// in a container.
  ///
  /// A variable that cannot be read or understood tells nothing.
  package init?(of host: Host) throws {
    guard let bootTime = try Self.bootTime(of: host.files), let names = try host.files.list(EFIVariableStore.directory),
      !names.isEmpty
    else { return nil }
    func text(_ variable: EFIVariableName) -> String? {
      Self.data(of: variable, host.files).flatMap(EFIText.parse).flatMap { $0.isEmpty ? nil : $0 }
    }
    self.bootTime = bootTime
    loader = text(.loaderInfo)
    let isUnified = text(.stubInfo) != nil
    let path = text(.stubImageIdentifier)
    if let path {
      imageName = Self.fileName(path)
    } else if isUnified, isBySystemdBoot {
      imageName = text(.loaderEntrySelected).flatMap(Self.fileName)
    } else if isUnified {
      imageName = text(.loaderImageIdentifier).flatMap(Self.fileName)
    }
    partition = (path.flatMap { _ in text(.stubDevicePartition) } ?? text(.loaderDevicePartition)).flatMap { GUID($0) }
    let current = EFIVariableName(name: "BootCurrent", vendor: EFIVariableName.globalVendor)
    if let number = Self.data(of: current, host.files), number.count == 2 {
      bootCurrent = UInt16(number[0]) | UInt16(number[1]) << 8
    }
  }

  /// When the kernel started, in seconds since 1970: `btime` in /proc/stat (proc(5)); nil where that does not say it.
  package static func bootTime(of files: FileSystem) throws -> Int64? {
    // A line for each processor and a number for each interrupt: large machines have some hundred KiB.
    guard let text = try files.readTextIfPresent("/proc/stat", limit: 16 << 20) else { return nil }
    let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
    return line.flatMap { Int64($0.dropFirst("btime ".count)) }.flatMap { $0 > 0 ? $0 : nil }
  }

  private static func data(of variable: EFIVariableName, _ files: FileSystem) -> [UInt8]? {
    let content = (try? EFIVariableStore(of: files).read(variable.fileName)).flatMap { $0 }
    return content.flatMap { try? EFIVariableContent(parsing: $0).data }
  }

  /// The last component of a device path's text, in which firmware separates with `\` and nodes with `/`.
  ///
  /// Nil unless it is the name of an image: systemd-boot's other entries are no files or end in `.conf`. Profiles of
  /// one image are told apart by `@` and a number behind its name.
  private static func fileName(_ path: String) -> String? {
    let name = path.split { $0 == "\\" || $0 == "/" }.last.map { $0.prefix { $0 != "@" } } ?? ""
    return name.utf8.count > 4 && name.suffix(4).lowercased() == ".efi" ? String(name) : nil
  }
}
