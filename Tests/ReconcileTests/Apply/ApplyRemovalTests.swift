// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import BootEnvironment
import Glibc
import HostScenes
import HostSystem
internal import Messages
internal import Reconcile
import TestSupport
import Testing

@Suite struct ApplyRemovalTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  private func removeKernel(_ release: String) {
    for name in ["boot/vmlinuz-\(release)", "boot/initrd.img-\(release)"] {
      unlink(scene.directory.path(of: name))
    }
  }

  @Test func onlyTheImageOfARemovedKernelIsRemoved() throws {
    try scene.apply()
    for name in ["pve-1.2.3.efi", "pve-custom.efi", "other.efi"] {
      try scene.directory.write("\(ApplyScene.images)/\(name)", "of somebody else")
    }
    removeKernel(older)
    let dryRun = try scene.apply { $0.isDryRun = true }
    #expect(dryRun.images.map { "\($0.kernel) \($0.state)" } == ["\(newer) current", "\(older) removed"])
    let result = try scene.apply()
    #expect(result.images.map { "\($0.kernel) \($0.state)" } == ["\(newer) current", "\(older) removed"])
    let left = ["other.efi", "pve-1.2.3.efi", "pve-\(newer).efi", "pve-custom.efi"]
    #expect(try scene.imageNames() == left)
    let recorder = MutationRecorder()
    try scene.apply(recorder)
    #expect(recorder.mutations.isEmpty)
  }

  @Test func theLastImageStays() throws {
    try scene.apply()
    removeKernel(older)
    removeKernel(newer)
    let result = try scene.apply()
    #expect(result.images.map(\.state) == [.kept, .kept] && result.notes.count == 2)
    #expect(try scene.imageNames().count == 2)
  }

  @Test func noImageIsRemovedUntilOneIsKnownToBeCorrect() throws {
    try scene.apply()
    removeKernel(older)
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    let result = try scene.apply()
    #expect(result.failures.count == 1)
    #expect(try scene.imageNames().count == 2)
  }

  @Test func aKernelWithoutInitrdKeepsItsImage() throws {
    try scene.apply()
    unlink(scene.directory.path(of: "boot/initrd.img-\(older)"))
    let result = try scene.apply()
    #expect(result.failures.count == 1 && result.failures[0].hint == "update-initramfs -c -k \(older)")
    #expect(try scene.imageNames().count == 2)
    #expect(try scene.apply { $0.expected = older }.failures.count == 1)
  }

  @Test func keepLimitsTheNumberOfImages() throws {
    try scene.apply()
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Keep=1\n")
    try scene.apply()
    #expect(try scene.imageNames() == ["pve-\(newer).efi"])
  }

  @Test func aManifestNamingForeignFilesRemovesNone() throws {
    try scene.apply()
    let files = try scene.host().files
    let foreign = "\(ApplyScene.images)/pve-1.2.3.efi"
    try scene.directory.write(foreign, "of somebody else")
    var manifest = Manifest.load(from: files).manifest
    var record = try #require(manifest.images.first { $0.kernel.release == older })
    record.digest = [UInt8](repeating: 7, count: 32)
    let name = try #require(UKIName(fileName: "pve-1.2.3.efi"))
    manifest.place(record, at: [ImageRecord.Copy(esp: "/boot/efi", name: name, modified: 0)])
    try manifest.save(to: files)
    #expect(try !scene.apply().isChange)
    #expect(try scene.directory.read(foreign) == Array("of somebody else".utf8))
  }
}
