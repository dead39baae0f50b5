// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

/// One partition while a plan is carried out on it.
struct PartitionWork {
  let partition: EFISystemPartition
  /// The partition, open for writing.
  let files: FileSystem
  /// Kernels whose image is known to be right, the newly written ones included.
  var inPlace: [Kernel]
  /// This program's images as they lie there now.
  var images: Set<ImageName>
  /// Kernels whose image was to be written but cannot be had.
  var unusable: Set<Kernel> = []

  init(_ partition: EFISystemPartition, _ files: FileSystem, inPlace: [Kernel], images: Set<ImageName>) {
    self.partition = partition
    self.files = files
    self.inPlace = inPlace
    self.images = images
  }
}
