// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostScenes
import HostSystem
import Reconcile
import TestSupport
import Testing

/// A UKI that is known to boot is kept until its successor has booted.
@Suite struct ApplyPreviousTests {
  private let scene: ApplyScene
  private let newer = ApplyScene.newer
  private let now = time(nil)
  private var previous: String { "\(ApplyScene.images)/pve-\(newer)~previous.efi" }

  init() throws {
    scene = try ApplyScene(kernels: [ApplyScene.newer])
    try scene.apply()
  }

  /// Boots the machine from the kernel's UKI, which was written before.
  private func boot(secondsAgo: Int) throws {
    let name = scene.directory.path(of: ApplyScene.imageName(newer))
    let written = timespec(tv_sec: now - secondsAgo - 10, tv_nsec: 0)
    let times = [written, written]
    try #require(utimensat(AT_FDCWD, name, times, 0) == 0)
    try scene.directory.write("proc/stat", "cpu 1 2 3\nbtime \(now - secondsAgo)\n")
    try setVariable("StubInfo", "systemd-stub 257.9-1")
    try setVariable("StubImageIdentifier", "\\EFI\\Linux\\pve-\(newer).efi")
  }

  private func setVariable(_ name: String, _ text: String) throws {
    let characters = text.utf16.flatMap { (unit: UInt16) -> [UInt8] in [UInt8(unit & 0xff), UInt8(unit >> 8)] }
    let data: [UInt8] = [6, 0, 0, 0] + characters + [0, 0]
    try scene.directory.write("sys/firmware/efi/efivars/\(name)-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", data)
  }

  private func settles() throws -> Bool {
    let recorder = MutationRecorder()
    try scene.apply(recorder)
    return recorder.mutations.isEmpty
  }

  @Test func theBootedImageStaysUntilItsSuccessorBoots() throws {
    try boot(secondsAgo: 1000)
    try scene.apply()
    #expect(try settles())
    let good = try #require(try scene.image(newer))
    for content in ["changed", "changed again"] {
      try scene.directory.write("boot/initrd.img-\(newer)", content)
      #expect(try scene.apply().images.map(\.state) == [.signed])
      #expect(try scene.isComplete(newer))
      #expect(try scene.directory.read(previous) == good)
      #expect(try settles())
    }
    try boot(secondsAgo: 500)
    try scene.apply()
    #expect(try scene.imageNames() == ["pve-\(newer).efi"])
    #expect(try settles())
  }

  @Test func withoutABootNoPreviousImageIsKept() throws {
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.apply()
    #expect(try scene.imageNames() == ["pve-\(newer).efi"])
  }

  /// The boot time tells from which of the two the machine was booted: not from a UKI written later.
  @Test func anImageWrittenAfterTheBootHasNotBooted() throws {
    try boot(secondsAgo: 1000)
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.apply()
    let good = try #require(try scene.directory.read(previous))
    try scene.apply()
    #expect(try scene.directory.read(previous) == good)
    #expect(Manifest.load(from: try scene.host().files).manifest.images.count { $0.booted != nil } == 1)
  }

  @Test func theBootedImageIsKnownWithoutTheManifest() throws {
    try boot(secondsAgo: 1000)
    try scene.apply()
    let good = try #require(try scene.image(newer))
    unlink(scene.directory.path(of: Manifest.path))
    try scene.apply()
    #expect(try settles())
    unlink(scene.directory.path(of: Manifest.path))
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.apply()
    #expect(try scene.directory.read(previous) == good)
    #expect(try settles())
  }

  /// The clock was years ahead when a kernel that is now removed was booted.
  @Test func aBootTimeInTheFutureIsSuperseded() throws {
    try boot(secondsAgo: -100_000_000)
    try scene.apply()
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.apply()
    #expect(try scene.directory.read(previous) != nil)
    try boot(secondsAgo: 500)
    try scene.apply()
    #expect(try scene.imageNames() == ["pve-\(newer).efi"])
    #expect(try settles())
    let good = try #require(try scene.image(newer))
    try scene.directory.write("boot/initrd.img-\(newer)", "changed again")
    try scene.apply()
    #expect(try scene.directory.read(previous) == good)
  }

  /// Promise I1: at every change, the booted UKI is intact under one of the two names.
  @Test func aFailureAtAnyChangeKeepsTheBootedImage() throws {
    try boot(secondsAgo: 1000)
    try scene.apply()
    let good = try #require(try scene.image(newer))
    var number = 0
    while true {
      number += 1
      try scene.directory.write("boot/initrd.img-\(newer)", "change \(number)")
      let recorder = MutationRecorder(.from(number))
      _ = try? scene.apply(recorder)
      let there = try [ApplyScene.imageName(newer), previous].map { try scene.directory.read($0) }
      #expect(there.contains(good), "change \(number)")
      if recorder.mutations.count < number { break }
    }
    #expect(number > 20)
  }
}
