// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import EFIData
internal import HostSystem

/// A file on an ESP that gets a boot entry.
package struct BootTarget: Hashable, Sendable {
  package var partition: PartitionLocation
  /// From the root of the ESP, with slashes: `/EFI/Linux/pve-K.efi`.
  package var path: String
  /// The label in the firmware's menu.
  package var label: String
  /// Optional data that the firmware passes to the program.
  package var optionalData: [UInt8]
  /// Whether the entry is in the boot order; otherwise the firmware only boots it on request.
  package var isOrdered: Bool

  package init(
    partition: PartitionLocation, path: String, label: String, optionalData: [UInt8] = [], isOrdered: Bool = true
  ) {
    self.partition = partition
    self.path = path
    self.label = label
    self.optionalData = optionalData
    self.isOrdered = isOrdered
  }

  /// The prefix of the labels of pve-sb-uki's entries.
  package static let labelPrefix = "Proxmox VE"
  package static func label(for kernel: Kernel) -> String { "\(labelPrefix) \(kernel.release)" }

  var file: DevicePath.File { DevicePath.File(partition: partition, path: path) }
}

extension BootChain {
  /// The target whose boot entry makes the firmware start `image` on `partition`.
  ///
  /// With systemd-boot in the chain, the target is the same for all UKIs of an ESP.
  ///
  /// `loaders` are the paths of the boot loaders; `suffix` distinguishes the entries of several ESPs in the firmware's
  /// menu. `profile` is the number of the profile that the UKI starts; systemd-boot does not pass it on.
  package func target(
    for image: UKIName, on partition: PartitionLocation, loaders: LoaderPath, suffix: String = "", profile: Int? = nil
  ) -> BootTarget {
    let path = hasSystemdBoot ? loaders.systemdBoot : image.path
    let label =
      hasSystemdBoot
      ? "\(BootTarget.labelPrefix) (systemd-boot)"
      : BootTarget.label(for: image.kernel) + (image.isPrevious ? " previous" : "")
    return BootTarget(
      partition: partition, path: hasShim ? loaders.shim : path, label: label + suffix,
      optionalData: hasShim
        ? Self.shimOption(starting: path, profile: profile)
        : profile.map { EFIText.serialize("@\($0)") } ?? [])
  }

  /// The optional data that makes shim start `path`: UTF-16 with a final NUL, of which shim uses the first word.
  ///
  /// shim treats it as a path from the root of the ESP only if it starts with `\EFI\` in capitals, otherwise as a name
  /// in its own directory (rhboot/shim 16.1, load-options.c).
  /// It passes the rest on.
  package static func shimOption(starting path: String, profile: Int? = nil) -> [UInt8] {
    EFIText.serialize(String(path.map { $0 == "/" ? "\\" : $0 }) + (profile.map { " @\($0)" } ?? ""))
  }

  /// The variable that makes systemd-boot start `image` once, and its data; nil for a chain in which BootNext does
  /// that.
  ///
  /// systemd-boot 257 and newer have an entry for each profile of a UKI.
  package func oneShot(_ image: UKIName, profile: BootProfile? = nil) -> (variable: EFIVariableName, data: [UInt8])? {
    let name = profile.map { "\(image.fileName.lowercased())@\($0.id)" } ?? image.fileName
    return hasSystemdBoot ? (.loaderEntryOneShot, EFIText.serialize(name)) : nil
  }
}
