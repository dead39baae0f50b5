// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import BootEnvironment
import Glibc
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct ApplyTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  private func states(_ result: ApplyReport) -> [String] { result.images.map { "\($0.kernel) \($0.state)" } }

  /// The number of changes on the ESP.
  private func espWrites(_ recorder: MutationRecorder) -> Int {
    recorder.mutations.count { $0.path.hasPrefix("/boot/efi") }
  }

  @Test func everyKernelGetsAnImageAndASecondRunWritesNothing() throws {
    let result = try scene.apply()
    #expect(states(result) == ["\(newer) signed", "\(older) signed"] && result.failures.isEmpty)
    #expect(try scene.imageNames() == ["pve-\(newer).efi", "pve-\(older).efi"])
    #expect(try scene.isComplete(newer))
    #expect(try scene.isComplete(older))
    let recorder = MutationRecorder()
    let second = try scene.apply(recorder)
    #expect(states(second) == ["\(newer) current", "\(older) current"] && !second.isChange)
    #expect(recorder.mutations.isEmpty)
  }

  @Test func theSameInputsGiveTheSameImage() throws {
    try scene.apply()
    let first = try scene.image(newer)
    let result = try scene.apply { $0.isForced = true }
    #expect(states(result) == ["\(newer) signed", "\(older) signed"])
    #expect(try scene.image(newer) == first)
  }

  @Test func touchedFilesCauseNoWriteToTheESP() throws {
    try scene.apply()
    for name in ["boot/initrd.img-\(newer)", "boot/vmlinuz-\(older)", ApplyScene.imageName(newer)] {
      utimes(scene.directory.path(of: name), nil)
    }
    let recorder = MutationRecorder()
    #expect(try !scene.apply(recorder).isChange)
    #expect(espWrites(recorder) == 0 && !recorder.mutations.isEmpty)
    let second = MutationRecorder()
    try scene.apply(second)
    #expect(second.mutations.isEmpty)
  }

  @Test func onlyChangedImagesAreRebuilt() throws {
    try scene.apply()
    try scene.directory.write("boot/initrd.img-\(newer)", "a new initrd")
    #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) current"])
    #expect(try scene.isComplete(newer))
    // The same size as before, so that only the digest shows the change.
    try scene.directory.write("boot/initrd.img-\(newer)", "b new initrd")
    #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) current"])
    #expect(try scene.isComplete(newer))
  }

  /// Touching files, or restoring them from a backup, changes no UKI.
  @Test func theSameContentInOtherFilesRebuildsNothing() throws {
    try scene.apply()
    let manifest = try #require(try scene.directory.read(Manifest.path))
    for name in ["boot/initrd.img-\(newer)", "boot/vmlinuz-\(older)", "etc/pve-sb-uki/keys/db.crt"] {
      let content = try #require(try scene.directory.read(name))
      unlink(scene.directory.path(of: name))
      try scene.directory.write("other", "takes the inode")
      try scene.directory.write(name, content)
      let recorder = MutationRecorder()
      #expect(try states(scene.apply(recorder)) == ["\(newer) current", "\(older) current"])
      #expect(recorder.mutations.allSatisfy { !$0.path.contains("EFI") })
    }
    #expect(try scene.directory.read(Manifest.path) != manifest)
    #expect(try !scene.apply().isChange)
  }

  /// An update of pve-sb-uki rebuilds nothing, and recognizes damage as before.
  @Test(arguments: 2...4) func anOlderManifestIsValid(format: Int) throws {
    try scene.apply()
    let good = try #require(try scene.image(newer))
    let old = try OldManifest.text(format, of: Manifest.load(from: scene.host().files).manifest, in: scene.directory) {
      $0.esp + $0.name.path
    }
    try scene.directory.write(Manifest.path, old)
    let result = try scene.apply { $0.reading = .all }
    #expect(states(result) == ["\(newer) current", "\(older) current"] && result.notes.isEmpty)
    // Copied back: only the content identifies it.
    try scene.directory.write(ApplyScene.imageName(newer), good)
    #expect(try states(scene.apply()) == ["\(newer) current", "\(older) current"])
    var bad = good
    bad[bad.count / 2] ^= 1
    try scene.directory.write(ApplyScene.imageName(newer), bad)
    #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) current"])
    #expect(try scene.image(newer) == good)
  }

  @Test(arguments: ["etc/kernel/cmdline", "usr/lib/os-release", "usr/lib/systemd/boot/efi/linuxx64.efi.stub"])
  func aSharedInputRebuildsAllImages(name: String) throws {
    try scene.apply()
    var content = Array("root=/dev/sda quiet\n".utf8)
    if name.hasSuffix("stub") {
      content = try Fixture.stub257.bytes()
      // In the first section.
      content[0x800] ^= 1
    }
    try scene.directory.write(name, content)
    #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) signed"])
  }

  @Test func aNewKeyRebuildsAllImages() throws {
    try scene.apply()
    let other = try ApplyScene(kernels: [], key: SigningKey())
    for name in ["db.key", "db.crt"] {
      let content = try #require(try other.directory.read("etc/pve-sb-uki/keys/\(name)"))
      try scene.directory.write("etc/pve-sb-uki/keys/\(name)", content)
    }
    #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) signed"])
    #expect(try !scene.isComplete(newer))
  }

  @Test func aDamagedOrMissingImageIsRebuilt() throws {
    try scene.apply()
    let good = try #require(try scene.image(newer))
    var bad = good
    bad[bad.count / 2] ^= 1
    for content in [bad, Array(bad.dropLast()), []] {
      try scene.directory.write(ApplyScene.imageName(newer), content)
      #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) current"])
      #expect(try scene.image(newer) == good)
    }
    unlink(scene.directory.path(of: ApplyScene.imageName(newer)))
    #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) current"])
    #expect(try scene.image(newer) == good)
  }

  @Test func aDryRunReportsAndWritesNothing() throws {
    let recorder = MutationRecorder()
    let result = try scene.apply(recorder) { $0.isDryRun = true }
    #expect(states(result) == ["\(newer) signed", "\(older) signed"])
    #expect(recorder.mutations.isEmpty)
    #expect(try scene.imageNames().isEmpty)
  }

  @Test func onlyChosenKernelsAreProcessed() throws {
    #expect(try states(scene.apply { $0.kernels = [older] }) == ["\(older) signed"])
    let result = try scene.apply { $0.kernels = ["1.2.3", older] }
    #expect(states(result) == ["\(older) current"])
    #expect(result.failures.count == 1 && result.failures[0].description.contains("1.2.3"))
    #expect(try FailureRecord.load(from: scene.host().files) == nil)
  }

  /// The UKIs are recognised by their content.
  @Test func aDamagedManifestIsRebuiltFromTheImages() throws {
    try scene.apply()
    let name = "var/lib/pve-sb-uki/manifest"
    let good = try #require(try scene.directory.read(name))
    for content in [[], Array(good.dropLast(3)), [0xff, 0, 1], good + good] {
      try scene.directory.write(name, content)
      let result = try scene.apply()
      #expect(states(result) == ["\(newer) current", "\(older) current"] && result.notes.count == 1)
      #expect(try scene.directory.read(name) == good)
    }
    for content in Mutations(of: good, count: 25) {
      try scene.directory.write(name, content)
      #expect(try scene.apply().failures.isEmpty)
      #expect(try scene.imageNames() == ["pve-\(newer).efi", "pve-\(older).efi"])
    }
    #expect(try scene.directory.read("boot/efi/EFI/other/file") == Array("not ours".utf8))
  }

  @Test func aSecondRunIsLockedOut() throws {
    let lock = try scene.host().files.lock(Apply.lockPath)
    withExtendedLifetime(lock) {
      let error = thrown(HostError.self) { try scene.apply() }
      #expect(error?.path == scene.directory.path(of: Apply.lockPath))
    }
  }
}
