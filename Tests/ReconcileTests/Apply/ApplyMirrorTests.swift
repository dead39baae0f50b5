// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// Two mirrored ESPs, in proxmox-boot-tool's list.
@Suite struct ApplyMirrorTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  private let first = "1111-AAA1"
  private let second = "2222-BBB2"

  init() throws {
    scene = try ApplyScene()
    try scene.directory.write("etc/kernel/proxmox-boot-uuids", "\(first)\n\(second)\n")
    for name in [first, second] { try scene.directory.write("dev/disk/by-uuid/\(name)/EFI/other/file", "not ours") }
  }

  private func path(_ esp: String, _ release: String) -> String {
    "dev/disk/by-uuid/\(esp)/EFI/Linux/pve-\(release).efi"
  }
  private func image(_ esp: String, _ release: String) throws -> [UInt8]? {
    try scene.directory.read(path(esp, release))
  }
  private func states(_ result: ApplyReport) -> [String] {
    result.images.map { "\($0.esp) \($0.kernel) \($0.state)" }
  }

  @Test func anImageIsBuiltOnceAndCopied() throws {
    let result = try scene.apply()
    #expect(
      states(result) == [
        "\(first) \(newer) signed", "\(first) \(older) signed", "\(second) \(newer) copied",
        "\(second) \(older) copied",
      ])
    #expect(result.failures.isEmpty)
    for release in [older, newer] { #expect(try image(first, release) == image(second, release)) }
    let certificate = try scene.key.certificateFile()
    for esp in [first, second] {
      let path = scene.directory.path(of: path(esp, newer))
      try ExternalTool("sbverify").run(["--cert", certificate.path, path])
    }
    let recorder = MutationRecorder()
    try scene.apply(recorder)
    #expect(recorder.mutations.isEmpty)
    #expect(try scene.directory.list("boot/efi/EFI") == ["other"])
  }

  @Test func aDamagedCopyIsRepairedFromTheOther() throws {
    try scene.apply()
    let good = try #require(try image(first, newer))
    for esp in [first, second] {
      var bad = good
      bad[bad.count / 2] ^= 1
      for content in [bad, Array(good.dropLast(100)), []] {
        try scene.directory.write(path(esp, newer), content)
        let result = try scene.apply()
        #expect(result.images.filter { $0.state != .current }.map(\.state) == [.copied])
        #expect(try image(esp, newer) == good)
      }
    }
  }

  @Test func aSilentlyCorruptedImageIsReplaced() throws {
    try scene.apply()
    let good = try #require(try image(first, newer))
    // The same size and time, so that only reading shows the change.
    let name = scene.directory.path(of: path(first, newer))
    var status = stat()
    try #require(stat(name, &status) == 0)
    var bad = good
    bad[bad.count / 2] ^= 1
    try scene.directory.write(path(first, newer), bad)
    var times = [status.st_atim, status.st_mtim]
    try #require(utimensat(AT_FDCWD, name, &times, 0) == 0)
    unlink(scene.directory.path(of: path(second, newer)))
    #expect(try scene.apply().failures.isEmpty)
    #expect(try image(second, newer) == good)
    try scene.apply()
    #expect(try image(first, newer) == good)
  }

  @Test func aMissingESPDoesNotStopTheOther() throws {
    try scene.apply()
    let there = scene.directory.path(of: "dev/disk/by-uuid/\(first)")
    rename(there, there + ".gone")
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    let result = try scene.apply()
    #expect(result.failures.count == 1 && result.failures[0].description.contains(first))
    #expect(states(result) == ["\(second) \(newer) signed", "\(second) \(older) current"])
    rename(there + ".gone", there)
    #expect(states(try scene.apply()).first == "\(first) \(newer) copied")
    #expect(try image(first, newer) == image(second, newer))
  }

  @Test func aLostManifestIsRebuiltFromTheImages() throws {
    try scene.apply()
    unlink(scene.directory.path(of: "var/lib/pve-sb-uki/manifest"))
    let result = try scene.apply()
    #expect(result.failures.isEmpty && result.images.allSatisfy { $0.state == .current })
    // A UKI that would be built differently now still belongs to pve-sb-uki.
    unlink(scene.directory.path(of: "var/lib/pve-sb-uki/manifest"))
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    unlink(scene.directory.path(of: "boot/vmlinuz-\(older)"))
    #expect(
      states(try scene.apply()) == [
        "\(first) \(newer) signed", "\(first) \(older) removed", "\(second) \(newer) copied",
        "\(second) \(older) removed",
      ])
  }

  /// After one ESP was repaired, the new plan still leaves the ESP alone that could not be checked.
  @Test func anUncheckedESPIsUnchangedAfterTheOthersRepair() throws {
    let machine = try MirrorScene()
    let image = try FATImage(.fat32)
    try image.makeDirectories(["/EFI", "/EFI/Linux"])
    for number in 1...2 { try image.write("/EFI/Linux/pve-\(number).efi", pattern(3000, UInt32(number))) }
    try image.point("PVE-2   EFI", to: image.clusters(of: "/EFI/Linux/pve-1.efi")[0])
    let recorder = MutationRecorder()
    var host = try machine.host(recorder.gate)
    let good = host.partitions
    let unknown = MirrorScene.serials[0]
    host.partitions = PartitionAccess { device, access, label in
      try good.mount(device: device, access: access, label: label)
    } facts: {
      try good.facts(device: $0)
    } volume: { device in
      if device.hasSuffix(unknown) { throw HostError("read", device, errno: EIO) }
      return try image.volume()
    } removeNames: { _, _ in
      try image.point("PVE-2   EFI", to: 0, size: 0)
      return []
    }
    host.processes = ProcessRunner(
      run: { _, _ in 127 }, interact: { _, _ in 127 }, collect: { _, _, _ in ProcessOutput(status: 127) })
    try machine.directory.write("boot/initrd.img-\(newer)", "changed")
    let result = try machine.apply(on: host)
    #expect(result.failures.count == 1 && result.failures[0].description.contains(unknown))
    #expect(result.images.contains { $0.esp == MirrorScene.serials[1] && $0.state == .signed })
    #expect(recorder.mutations.allSatisfy { !$0.path.contains(unknown) })
  }
}
