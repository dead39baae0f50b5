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

@Suite struct ApplyFailureTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  private func failure() throws -> FailureRecord? { try FailureRecord.load(from: scene.host().files) }

  /// Promise I1; a single failed call also leaves nothing behind.
  @Test func aFailureAtAnyChangeIsRepairedByTheNextRun() throws {
    try scene.apply()
    let old = try #require(try scene.image(newer))
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.apply()
    #expect(try scene.isComplete(newer))
    let new = try #require(try scene.image(newer))
    var changes = 0
    for number in 1... {
      try scene.directory.write("boot/initrd.img-\(newer)", ApplyScene.initrd(of: newer))
      try scene.apply()
      #expect(try scene.image(newer) == old)
      try scene.directory.write("boot/initrd.img-\(newer)", "changed")
      let recorder = MutationRecorder(.only(number))
      let result = try? scene.apply(recorder)
      let image = try scene.image(newer)
      #expect(image == new || image == old, "change \(number)")
      // Nothing is removed before the exchange is on disk.
      let isExchanged = recorder.mutations.contains { $0.kind == .exchange } && image == new
      let names = try scene.imageNames().filter { !isExchanged || !TemporaryName.matches($0) }
      #expect(names == ["pve-\(newer).efi", "pve-\(older).efi"], "change \(number)")
      if recorder.mutations.count < number {
        changes = number - 1
        break
      }
      #expect(result?.failures.isEmpty != true, "change \(number)")
      try scene.apply()
      #expect(try scene.image(newer) == new, "after change \(number)")
      #expect(try failure() == nil)
    }
    #expect(changes > 10)
  }

  @Test func afterAPowerCutTheNextRunCleansUp() throws {
    try scene.apply()
    let old = try #require(try scene.image(newer))
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    // The temporary file left by a power cut.
    try scene.directory.write("\(ApplyScene.images)/.pve-\(newer).efi.0011223344556677.pve-sb-uki.tmp", "half")
    #expect(try scene.image(newer) == old)
    try scene.apply()
    #expect(try scene.imageNames() == ["pve-\(newer).efi", "pve-\(older).efi"])
    #expect(try scene.isComplete(newer))
  }

  @Test func aDamagedKeyIsRecordedUntilItIsRepaired() throws {
    try scene.apply()
    let old = try scene.image(newer)
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    try scene.directory.write("etc/kernel/cmdline", "root=/dev/sda1")
    let recorder = MutationRecorder()
    let result = try scene.apply(recorder)
    #expect(result.failures.count == 1 && result.images.allSatisfy { $0.state == .failed })
    #expect(result.failures[0].description.contains("db.key"))
    #expect(result.totals.map(\.count) == [2] && result.totals.map(\.kept) == [2])
    #expect(recorder.mutations.allSatisfy { !$0.path.hasPrefix("/boot/efi") })
    #expect(try scene.image(newer) == old)
    #expect(try failure()?.messages.count == 1)
    try scene.writeKey()
    #expect(try scene.apply().failures.isEmpty)
    #expect(try failure() == nil)
    #expect(try scene.isComplete(newer))
  }

  @Test func oneBadKernelDoesNotStopTheOthers() throws {
    for content in [[], Array("not a kernel".utf8), Array(try Fixture.stub257.bytes().prefix(5000))] {
      try scene.directory.write("boot/vmlinuz-\(newer)", content)
      let result = try scene.apply()
      #expect(result.failures.count == 1 && result.failures[0].description.contains(newer))
      #expect(try scene.imageNames() == ["pve-\(older).efi"])
    }
    try scene.addKernel(newer)
    try scene.directory.write("boot/initrd.img-\(newer)", "")
    #expect(try scene.apply().failures.count == 1)
    #expect(try scene.imageNames() == ["pve-\(older).efi"])
  }

  @Test func anErrorThatStopsTheRunIsRecordedToo() throws {
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Bogus=1\n")
    #expect(throws: BootEnvironmentError.self) { try scene.apply() }
    #expect(try failure()?.messages.first?.contains("pve-sb-uki.conf, line 1") == true)
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "")
    try scene.directory.write("etc/kernel/cmdline", "a\u{0}b")
    #expect(throws: BootEnvironmentError.self) { try scene.apply() }
    try scene.directory.write("etc/kernel/cmdline", "root=/dev/sda1")
    try scene.apply()
    #expect(try failure() == nil)
  }

  /// "no ESP is mounted" was reported although it was mounted again.
  @Test func aFailureOfThePastIsHeldAgainstThePresent() throws {
    func lasting(pending: Bool = true) throws -> [String]? {
      var options = ApplyOptions()
      options.isDryRun = true
      let plan = try #require(try Apply.run(options, on: scene.host()).plan)
      return try failure()?.lasting(in: plan, hasPendingWork: pending)?.messages
    }
    try scene.apply()
    rename(scene.directory.path(of: "boot/efi"), scene.directory.path(of: "elsewhere"))
    #expect(throws: Failure.self) { try scene.apply() }
    #expect(try failure()?.messages.first?.contains("no ESP is mounted") == true)
    rename(scene.directory.path(of: "elsewhere"), scene.directory.path(of: "boot/efi"))
    #expect(try lasting() == nil)
    // A failure of the plan is in the plan.
    try scene.directory.write("boot/vmlinuz-\(newer)", "no kernel")
    try scene.apply()
    #expect(try failure()?.messages.count == 1 && lasting() == nil)
    try scene.addKernel(newer)
    #expect(try lasting() == nil)
    // A failure while writing explains why something is left to write.
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    let recorder = MutationRecorder(.only(4))
    #expect(try scene.apply(recorder).failures.isEmpty == false)
    #expect(try lasting(pending: false)?.count == 1)
    #expect(try failure()?.messages == lasting())
  }

  @Test func aMissingStubNamesThePackage() throws {
    unlink(scene.directory.path(of: "usr/lib/systemd/boot/efi/linuxx64.efi.stub"))
    let result = try scene.apply()
    #expect(result.failures.count == 1 && result.failures[0].hint?.contains("systemd-boot-efi") == true)
    #expect(try scene.imageNames().isEmpty)
  }

  /// Firmware ignores the dates, and the clock may be wrong.
  @Test func anExpiredCertificateSignsWithANote() throws {
    var host = try scene.host()
    host.now = { SigningKey.now + 86_400 * 2000 }
    let result = try Apply.run(on: host)
    #expect(result.failures.isEmpty && result.notes.filter { $0.contains("expired") }.count == 1)
    #expect(try scene.isComplete(ApplyScene.newer) && scene.isComplete(ApplyScene.older))
  }

  @Test func skipReasonsAreReportedWithoutAnyChange() throws {
    func obstacle() throws -> SkipReason? {
      let recorder = MutationRecorder()
      let result = try scene.apply(recorder)
      #expect(recorder.mutations.isEmpty)
      return result.skipReason
    }
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Enabled=no\n")
    #expect(try obstacle() == .disabled)
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "")
    try scene.directory.write("proxmox_install_mode", "")
    #expect(try obstacle() == .installer)
    unlink(scene.directory.path(of: "proxmox_install_mode"))
    rename(scene.directory.path(of: "boot/efi"), scene.directory.path(of: "elsewhere"))
    #expect(try obstacle() == .noESP)
    rename(scene.directory.path(of: "etc/pve-sb-uki/keys/db.key"), scene.directory.path(of: "db.key"))
    #expect(try obstacle() == .noESP)
    rename(scene.directory.path(of: "db.key"), scene.directory.path(of: "etc/pve-sb-uki/keys/db.key"))
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/elsewhere\n")
    unlink(scene.directory.path(of: "etc/pve-sb-uki/keys/db.key"))
    #expect(try obstacle() == .noKeys)
    try scene.writeKey()
    #expect(try scene.apply().failures.isEmpty)
    #expect(try scene.directory.list("elsewhere/EFI/Linux").count == 2)
  }
}
