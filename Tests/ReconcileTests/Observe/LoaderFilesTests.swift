// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct LoaderFilesTests {
  @Test(arguments: Fixture.systemdBoots)
  func systemdBootIsSignedOnce(_ fixture: Fixture) throws {
    let scene = try LoaderScene(fixture)
    let loaders = try scene.loaders(.systemdBoot)
    let plan = try scene.plan(loaders)
    #expect(plan.steps.map(\.path) == [LoaderPath.amd64.systemdBoot, LoaderConfiguration.path] && plan.notes.isEmpty)
    #expect(plan.steps.allSatisfy { !$0.replaces })
    try scene.perform(plan, with: loaders)
    let signed = scene.directory.path(of: "esp\(LoaderPath.amd64.systemdBoot)")
    let certificate = try scene.key.certificateFile()
    try withExtendedLifetime(certificate) {
      _ = try ExternalTool("sbverify").run(["--cert", certificate.path, signed])
    }
    #expect(try FileSystem().readFile(signed, limit: 1 << 20).count <= plan.steps[0].size)
    #expect(plan.defaultEntry == "pve-*.efi")
    #expect(try scene.read(LoaderConfiguration.path) == Array("default pve-*.efi\n".utf8))
    #expect(try scene.plan(loaders).steps.isEmpty)
    let recorder = MutationRecorder()
    try scene.perform(plan, with: loaders, recorder: recorder)
    #expect(recorder.mutations.isEmpty)
  }

  @Test func aChangedInputRebuildsTheImage() throws {
    let scene = try LoaderScene(.systemdBoot252)
    try scene.perform(scene.plan(scene.loaders(.systemdBoot)), with: scene.loaders(.systemdBoot))
    let right = try #require(try scene.read(LoaderPath.amd64.systemdBoot))
    // Changes to the package, to the key, and to the file.
    try scene.put(.systemdBoot257)
    #expect(try scene.plan(scene.loaders(.systemdBoot)).steps.map(\.path) == [LoaderPath.amd64.systemdBoot])
    try scene.put(.systemdBoot252)
    #expect(try scene.plan(scene.loaders(.systemdBoot)).steps.isEmpty)
    let other = try LoaderScene.otherKey()
    let loaders = try scene.loaders(.systemdBoot, key: other)
    let plan = try scene.plan(loaders)
    #expect(plan.steps.map(\.replaces) == [true])
    try scene.perform(plan, with: loaders, key: other)
    #expect(try scene.plan(loaders).steps.isEmpty && scene.plan(scene.loaders(.systemdBoot)).steps.count == 1)
    var flipped = right
    flipped[flipped.count / 2] ^= 1
    for damaged in [flipped, Array(right.dropLast(8)), Array(right.prefix(100)), []] {
      try scene.directory.write("esp\(LoaderPath.amd64.systemdBoot)", damaged)
      let loaders = try scene.loaders(.systemdBoot)
      try scene.perform(scene.plan(loaders), with: loaders)
      #expect(try scene.read(LoaderPath.amd64.systemdBoot) == right)
    }
  }

  @Test func aKeyThatDoesNotMatchTheCertificateChangesNothing() throws {
    let scene = try LoaderScene()
    let loaders = try scene.loaders(.systemdBoot)
    let failure = thrown(Failure.self) {
      try scene.perform(scene.plan(loaders), with: loaders, key: LoaderScene.otherKey())
    }
    #expect(failure?.description.hasSuffix("the data read back differs from the data written") == true)
    #expect(try scene.directory.list("esp\(LoaderPath.directory)").isEmpty)
  }

  /// Proxmox's hook may write between observing and writing: only the default may be changed.
  @Test func concurrentChangesToTheSettingsAreKept() throws {
    let scene = try LoaderScene()
    try scene.directory.write("esp\(LoaderConfiguration.path)", "timeout 3\ndefault proxmox-*\n")
    let loaders = try scene.loaders(.systemdBoot)
    let plan = try scene.plan(loaders)
    try scene.directory.write("esp\(LoaderConfiguration.path)", "timeout 9\ndefault proxmox-*\neditor no\n")
    try scene.perform(plan, with: loaders)
    #expect(try scene.read(LoaderConfiguration.path) == Array("timeout 9\ndefault pve-*.efi\neditor no\n".utf8))
  }

  @Test func shimIsCopiedUnchanged() throws {
    let scene = try LoaderScene()
    for chain in [BootChain.shim(starting: .image), .shim(starting: .systemdBoot)] {
      let loaders = try scene.loaders(chain)
      try scene.perform(scene.plan(loaders), with: loaders)
      #expect(try scene.read(LoaderPath.amd64.shim) == Fixture.stub252.bytes())
      #expect(try scene.read(LoaderPath.amd64.mokManager) == Fixture.stub257.bytes())
      #expect(try scene.plan(loaders).steps.isEmpty)
      #expect(try (scene.read(LoaderPath.amd64.systemdBoot) != nil) == chain.hasSystemdBoot)
    }
    try scene.directory.write("esp\(LoaderPath.amd64.shim)", Fixture.stub257.bytes())
    #expect(try scene.plan(scene.loaders(.shim(starting: .image))).steps.map(\.path) == [LoaderPath.amd64.shim])
  }

  @Test(arguments: [
    (BootChain.systemdBoot, BootPrograms.amd64.systemdBoot, "systemd-boot-efi"),
    (.shim(starting: .image), BootPrograms.amd64.shim, "shim-signed"),
    (.shim(starting: .image), BootPrograms.amd64.mokManager, "shim-helpers-amd64-signed"),
  ])
  func aMissingPackageIsReported(chain: BootChain, path: String, package: String) throws {
    let scene = try LoaderScene()
    _ = try scene.loaders(chain)
    try scene.directory.host().files.remove(path)
    let failure = thrown(Failure.self) { try scene.loaders(chain) }
    #expect(failure?.hint == "run 'apt install \(package)'" && failure?.description.contains(path) == true)
    #expect(try scene.plan(scene.loaders(.direct)).steps.isEmpty)
  }

  @Test func rejectedImagesAreNotMadeTheDefault() throws {
    let scene = try LoaderScene()
    let loaders = try scene.loaders(.systemdBoot, removable: true)
    #expect(try scene.plan(loaders, isPreferred: false).steps.map(\.path) == [LoaderPath.amd64.systemdBoot])
  }

  @Test func aPartitionWithoutImagesIsUnchanged() throws {
    let scene = try LoaderScene()
    let loaders = try scene.loaders(.shim(starting: .systemdBoot), removable: true)
    #expect(try scene.plan(loaders, images: []).steps.isEmpty)
  }

  @Test func theRemovablePathHasTheFirstImage() throws {
    let scene = try LoaderScene()
    try scene.putImage(scene.image)
    try scene.directory.write("esp\(LoaderPath.amd64.removable)", "foreign")
    let image = try #require(scene.image)
    #expect(try scene.plan(scene.loaders(.direct)).steps.isEmpty)
    let loaders = try scene.loaders(.direct, removable: true)
    let plan = try scene.plan(loaders)
    let size = try #require(try scene.read(image.path)).count
    let step = try #require(plan.steps.first)
    #expect(
      step.path == LoaderPath.amd64.removable && step.source == .image(image) && step.size == size && step.replaces)
    #expect(plan.steps.count == 1)
    try scene.perform(plan, with: loaders)
    #expect(try scene.read(LoaderPath.amd64.removable) == scene.read(image.path))
    #expect(try scene.plan(loaders).steps.isEmpty)
    // A UKI that will be written first counts as changed, with its future size.
    #expect(try scene.plan(loaders, pending: [image: 12_345]).steps.map(\.size) == [12_345])
    try scene.putImage(image, .stub252)
    #expect(try scene.plan(loaders).steps.count == 1)
    try scene.perform(scene.plan(loaders), with: loaders)
    #expect(try scene.read(LoaderPath.amd64.removable) == scene.read(image.path))
  }

  @Test func aForeignImageIsNotCopiedToTheRemovablePath() throws {
    let scene = try LoaderScene()
    let image = try #require(scene.image)
    try scene.directory.write("esp\(image.path)", Fixture.stub257.bytes())
    try scene.directory.write("esp\(LoaderPath.amd64.removable)", "foreign")
    let loaders = try scene.loaders(.direct, removable: true)
    #expect(throws: Failure.self) { try scene.perform(scene.plan(loaders), with: loaders) }
    #expect(try scene.read(LoaderPath.amd64.removable) == Array("foreign".utf8))
  }

  @Test func shimAtTheRemovablePathFindsItsSecondStage() throws {
    let scene = try LoaderScene()
    try scene.putImage(scene.image)
    try scene.directory.write("esp\(LoaderPath.amd64.removableFallback)", "f")
    let image = try scene.loaders(.shim(starting: .image), removable: true)
    let plan = try scene.plan(image)
    #expect(
      plan.steps.map(\.path) == [
        LoaderPath.amd64.mokManager, LoaderPath.amd64.shim, LoaderPath.amd64.removableSecondStage,
        LoaderPath.amd64.removableMokManager,
        LoaderPath.amd64.removable,
      ])
    #expect(plan.notes.count == 1 && plan.notes.allSatisfy { $0.contains("fbx64.efi") })
    try scene.perform(plan, with: image)
    #expect(try scene.read(LoaderPath.amd64.removable) == scene.read(LoaderPath.amd64.shim))
    #expect(try scene.read(LoaderPath.amd64.removableSecondStage) == scene.read(scene.image?.path ?? ""))
    let both = try scene.loaders(.shim(starting: .systemdBoot), removable: true)
    try scene.perform(scene.plan(both), with: both)
    #expect(try scene.read(LoaderPath.amd64.removableSecondStage) == scene.read(LoaderPath.amd64.systemdBoot))
    #expect(try scene.plan(both).steps.isEmpty)
  }

  /// Whichever change fails, each file is the old or the new one, and the next run completes the work.
  @Test func aFailureLeavesEachFileOldOrNew() throws {
    let scene = try LoaderScene(.systemdBoot252)
    let paths = [LoaderPath.amd64.systemdBoot, LoaderPath.amd64.removable, LoaderConfiguration.path]
    try scene.directory.write("esp\(LoaderConfiguration.path)", "timeout 3\ndefault proxmox-*\n")
    var loaders = try scene.loaders(.systemdBoot, removable: true)
    try scene.perform(scene.plan(loaders), with: loaders)
    let old = try paths.map { try scene.read($0) }
    try scene.put(.systemdBoot257)
    loaders = try scene.loaders(.systemdBoot, removable: true)
    let plan = try scene.plan(loaders)
    #expect(plan.steps.count == 2)
    try scene.perform(plan, with: loaders)
    let new = try paths.map { try scene.read($0) }
    for number in 1... {
      for (path, content) in zip(paths, old) { try scene.directory.write("esp\(path)", content ?? []) }
      let isDone = (try? scene.perform(plan, with: loaders, recorder: MutationRecorder(.from(number)))) != nil
      let now = try paths.map { try scene.read($0) }
      #expect(zip(now, zip(old, new)).allSatisfy { $0 == $1.0 || $0 == $1.1 }, "after failure \(number)")
      try scene.perform(scene.plan(loaders), with: loaders)
      #expect(try paths.map { try scene.read($0) } == new, "after failure \(number)")
      if isDone {
        #expect(number > 10)
        return
      }
    }
  }
}
