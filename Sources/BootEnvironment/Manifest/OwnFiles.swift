// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
internal import HostSystem

extension DevicePath.File {
  /// Whether the name belongs to pve-sb-uki: `/EFI/Linux/pve-K.efi`, which includes `pve-K~previous.efi`, and
  /// everything below `/EFI/pve-sb-uki`.
  package var isInOurNameSpace: Bool {
    let names = PathName(path).folded.components
    guard names.count >= 3, names[0] == "efi", !names.contains("."), !names.contains("..") else { return false }
    if names[1] == "pve-sb-uki" { return true }
    return names.count == 3 && names[1] == "linux" && UKIName(fileName: String(names[2])) != nil
  }

  /// Whether both are the same file: FAT ignores case, and the place of a partition may change.
  package func isSameFile(as other: Self) -> Bool {
    partition.isSamePartition(as: other.partition) && PathName(path).isSameOnFAT(as: PathName(other.path))
  }
}
