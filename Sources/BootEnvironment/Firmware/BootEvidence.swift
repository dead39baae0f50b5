// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import EFIData
package import HostSystem

/// How the running system was booted, according to its EFI variables.
///
/// The variables exist until the machine is switched off or reset, so after kexec(2) they still describe the previous
/// boot. Their meaning depends on the program that set them:
///
/// | started by | stub 252 sets | stub 257 sets |
/// |---|---|---|
/// | the firmware or shim | StubInfo; Loader… for its own image and partition | Stub… and Loader… for its own |
/// | systemd-boot, which sets LoaderInfo, Loader… for its own and LoaderEntrySelected | StubInfo | Stub… for its own |
///
/// Loader… and Stub… stand for `ImageIdentifier` and `DevicePartUUID`.
package struct BootEvidence: Hashable, Sendable {
  /// When the kernel started, in seconds since 1970 by the current clock setting.
  package var bootTime: Int64
  /// Name and version of the boot loader, such as `systemd-boot 257.9-1~deb13u1`.
  ///
  /// Nil if the firmware or shim started the UKI, or if the loader does not set it, like GRUB before 2.12.
  package var loader: String?
  /// File name of the UKI that was booted, such as `pve-6.8.12-4-pve.efi`; in lower case if only systemd-boot reports
  /// it.
  ///
  /// Nil if there was none or it is unknown.
  package var imageName: String?
  /// Unique GUID of the ESP that the UKI or boot loader was read from.
  package var partition: GUID?
  /// Number of the profile of the UKI that was started (`StubProfile`); nil before systemd 257.
  package var profile: Int?
  /// Number of the Boot#### variable that the firmware chose.
  package var bootCurrent: UInt16?

  package var isBySystemdBoot: Bool { loader?.hasPrefix(Self.systemdBoot) ?? false }
  private static let systemdBoot = "systemd-boot "

  /// Reads the variables.
  ///
  /// Nil if the boot time is unknown or there are no EFI variables: in another root, after a BIOS boot, in a container.
  /// An invalid variable is ignored. Throws `HostError` if the host cannot be read.
  package init?(of host: Host) throws {
    let variables = host.variables
    guard let bootTime = try Self.bootTime(of: host.files), try variables.isPresent, try !variables.names().isEmpty
    else { return nil }
    func text(_ variable: EFIVariableName) -> String? {
      Self.data(of: variable, variables).flatMap(EFIText.parse).flatMap { $0.isEmpty ? nil : $0 }
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
    profile = text(.stubProfile).flatMap { Int($0) }
    let current = EFIVariableName(name: "BootCurrent", vendor: EFIVariableName.globalVendor)
    if let number = Self.data(of: current, variables), number.count == 2 {
      bootCurrent = UInt16(number[0]) | UInt16(number[1]) << 8
    }
  }

  /// When the kernel started, in seconds since 1970: `btime` in /proc/stat (proc(5)); nil if it is missing.
  ///
  /// Throws `HostError` if it cannot be read.
  package static func bootTime(of files: FileSystem) throws -> Int64? {
    // One line per processor and a number per interrupt: a few hundred KiB on large machines.
    guard let text = try files.readTextIfPresent("/proc/stat", limit: 16 << 20) else { return nil }
    let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
    return line.flatMap { EFITime.unixSeconds(parsing: $0.dropFirst("btime ".count)) }.flatMap { $0 > 0 ? $0 : nil }
  }

  private static func data(of variable: EFIVariableName, _ store: EFIVariableStore) -> [UInt8]? {
    let content = (try? store.read(variable.fileName)).flatMap { $0 }
    return content.flatMap { try? EFIVariableContent(parsing: $0).data }
  }

  /// The file name in a device path in text form, which firmware separates with `\` and `/`.
  ///
  /// Nil unless it is the name of an EFI image: systemd-boot's other entries are not files or end in `.conf`. Profiles
  /// of a UKI have `@` and a number after its name.
  private static func fileName(_ path: String) -> String? {
    let name = path.split { $0 == "\\" || $0 == "/" }.last.map { $0.prefix { $0 != "@" } } ?? ""
    return name.utf8.count > 4 && name.suffix(4).lowercased() == ".efi" ? String(name) : nil
  }
}
