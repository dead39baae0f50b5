// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// An ESP that fstab mounts cannot be repaired while it is mounted.
///
/// Files whose removal would do damage are kept.
@Suite struct MountedESPTests {
  private let scene: ApplyScene
  private let image: FATImage

  init() throws {
    scene = try ApplyScene()
    image = try FATImage(.fat32)
    try image.makeDirectories(["/EFI", "/EFI/Linux"])
    try image.write("/EFI/Linux/pve-1.efi", pattern(3000, 1))
    try image.write("/EFI/Linux/pve-2.efi", pattern(3000, 2))
    try scene.directory.write(
      "proc/self/mountinfo", "36 25 8:1 / /boot/efi rw,relatime shared:1 - vfat /dev/sda1 rw\n")
    try scene.directory.write("sys/firmware/efi/x", "")
  }

  private func host(_ recorder: MutationRecorder = MutationRecorder()) throws -> Host {
    var host = try scene.host(recorder)
    host.isRunningSystem = true
    host.environment = { _ in nil }
    let image = image
    host.partitions = PartitionAccess { device, _, _ in
      throw HostError("mount", device, errno: EBUSY)
    } facts: { _ in
      PartitionFacts(number: DeviceNumber(major: 8, minor: 1), location: nil, content: .other)
    } volume: { _ in
      try image.volume()
    }
    return host
  }

  @Test func nothingIsWrittenIfNamesShareClusters() throws {
    var apply = ApplyOptions()
    apply.lockTimeout = 0
    #expect(try Apply.run(apply, on: host()).failures.isEmpty)
    try scene.directory.write("boot/initrd.img-\(ApplyScene.newer)", "changed")
    try image.point("PVE-2   EFI", to: image.clusters(of: "/EFI/Linux/pve-1.efi")[0])
    let recorder = MutationRecorder()
    let before = try scene.image(ApplyScene.newer)
    let result = try Apply.run(apply, on: host(recorder))
    #expect(result.failures.count == 1 && result.failures[0].description.hasPrefix("/boot/efi: a power cut"))
    #expect(result.failures[0].hint?.contains("'fsck.vfat -r \(scene.directory.path(of: "dev/sda1"))'") == true)
    #expect(try scene.image(ApplyScene.newer) == before && scene.imageNames().count == 2)
    #expect(recorder.mutations.allSatisfy { !$0.path.contains("boot/efi/EFI") })
    try image.point("PVE-2   EFI", to: 9000, size: 0)
    try image.point("PVE-2   EFI", to: 0, size: 0)
    #expect(try Apply.run(apply, on: host()).failures.isEmpty)
    #expect(try scene.isComplete(ApplyScene.newer))
  }
}
