// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import EFIData
internal import HostSystem

/// A file on an EFI System Partition that shall have a boot entry.
package struct BootTarget: Hashable, Sendable {
  package var partition: PartitionLocation
  /// From the partition's root, with slashes: `/EFI/Linux/pve-K.efi`.
  package var path: String
  /// What the firmware's menu shows.
  package var label: String
  /// What the firmware passes to the file.
  package var optionalData: [UInt8]

  package init(partition: PartitionLocation, path: String, label: String, optionalData: [UInt8] = []) {
    self.partition = partition
    self.path = path
    self.label = label
    self.optionalData = optionalData
  }

  /// What the labels of our entries begin with.
  package static let labelPrefix = "Proxmox VE"
  package static func label(for kernel: Kernel) -> String { "\(labelPrefix) \(kernel.release)" }

  var file: DevicePath.File { DevicePath.File(partition: partition, path: path) }
}

extension DevicePath.File {
  /// Whether only this program puts files of that name there: `/EFI/Linux/pve-K.efi`, which `pve-K~previous.efi` is
  /// too, and all below `/EFI/pve-sb-uki`.
  package var isInOurNameSpace: Bool {
    let names = PathName(path).folded.components
    guard names.count >= 3, names[0] == "efi", !names.contains("."), !names.contains("..") else { return false }
    if names[1] == "pve-sb-uki" { return true }
    return names.count == 3 && names[1] == "linux" && UKIName(fileName: String(names[2])) != nil
  }

  /// Whether both are one file: FAT does not tell upper from lower case, and a partition is known by its GUID alone.
  package func isSameFile(as other: Self) -> Bool {
    partition.guid == other.partition.guid && PathName(path).isSameOnFAT(as: PathName(other.path))
  }
}

extension BootChain {
  /// What has a boot entry so that the firmware reaches `image` on `partition`.
  ///
  /// With systemd-boot in the chain all images of a partition have one and the same.
  ///
  /// `loaders` says where those of the chain lie; `suffix` tells entries of several partitions apart in the firmware's menu.
  package func target(
    for image: UKIName, on partition: PartitionLocation, loaders: LoaderPath, suffix: String = ""
  ) -> BootTarget {
    let path = hasSystemdBoot ? loaders.systemdBoot : image.path
    let label =
      hasSystemdBoot
      ? "\(BootTarget.labelPrefix) (systemd-boot)"
      : BootTarget.label(for: image.kernel) + (image.isPrevious ? " previous" : "")
    return BootTarget(
      partition: partition, path: hasShim ? loaders.shim : path, label: label + suffix,
      optionalData: hasShim ? Self.shimOption(starting: path) : [])
  }

  /// The load option data that makes shim start `path`: UTF-16 with a NUL at its end, of which it takes the first word.
  ///
  /// Only what begins with `\EFI\`, in capitals, is taken for a path from the partition's root and not for a name
  /// beside shim (rhboot/shim 16.1, load-options.c).
  package static func shimOption(starting path: String) -> [UInt8] {
    EFIText.serialize(String(path.map { $0 == "/" ? "\\" : $0 }))
  }

  /// The variable that makes systemd-boot start `image` once, and its data; nil for a chain in which the firmware is
  /// told that by BootNext.
  package func oneShot(_ image: UKIName) -> (variable: EFIVariableName, data: [UInt8])? {
    hasSystemdBoot ? (.loaderEntryOneShot, EFIText.serialize(image.fileName)) : nil
  }
}
