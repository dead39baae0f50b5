// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData

extension BootChain {
  /// What has a boot entry so that the firmware reaches `image` on `partition`. With systemd-boot in the chain all images
  /// of a partition have one and the same.
  ///
  /// `loaders` says where those of the chain lie; `suffix` tells entries of several partitions apart in the firmware's menu.
  package func target(
    for image: ImageName, on partition: PartitionLocation, loaders: LoaderPath, suffix: String = ""
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
  /// Only what begins with `\EFI\`, in capitals, is taken for a path from the partition's root and not for a name beside
  /// shim (rhboot/shim 16.1, load-options.c).
  package static func shimOption(starting path: String) -> [UInt8] {
    EFIText.serialize(String(path.map { $0 == "/" ? "\\" : $0 }))
  }

  /// The variable that makes systemd-boot start `image` once, and its data; nil for a chain in which the firmware is
  /// told that by BootNext.
  package func oneShot(_ image: ImageName) -> (variable: EFIVariableName, data: [UInt8])? {
    hasSystemdBoot ? (.loaderEntryOneShot, EFIText.serialize(image.fileName)) : nil
  }
}
