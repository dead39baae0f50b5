// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import SigningKeys
import TestSupport
import Testing

/// `enroll --auto-enroll`, and the removal of all staged files once the firmware has the keys.
@Suite struct AutoEnrollTests {
  private let scene: StageScene
  private let serials = StageScene.serials
  private static let automatic = StageScene.automatic

  init() throws { scene = try StageScene() }

  private func settings(_ serial: String) throws -> String {
    String(decoding: try scene.read(serial, LoaderConfiguration.path) ?? [], as: UTF8.self)
  }

  @Test func systemdBootFindsTheThreeUpdates() throws {
    let before = try serials.map(settings)
    let result = try scene.stage(automatic: true)
    #expect(result.failures.isEmpty && result.nextCommand == "systemctl reboot")
    for serial in serials {
      #expect(try scene.list(serial, Self.automatic) == ["KEK.auth", "PK.auth", "db.auth"])
    }
    #expect(try serials.map(settings) == before)
    #expect(result.steps.contains { $0.contains("Enroll Secure Boot keys: auto") })
  }

  /// Version 257 in a virtual machine asks nothing; 252 does not know dbx.
  @Test func theVersionOfSystemdBootDecides() throws {
    try scene.directory.write("proc/cpuinfo", "flags\t\t: fpu hypervisor\n")
    #expect(try scene.stage(automatic: true).steps.contains { $0.contains("counts down") })
    try scene.directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot252.bytes())
    try scene.machine.apply()
    #expect(try scene.stage(automatic: true).steps.contains { $0.contains("Enroll Secure Boot keys: auto") })
    try scene.machine.put(.forbiddenDatabaseDefault, #require(try scene.vendorLists()[.forbiddenDatabase]))
    let result = try scene.stage(automatic: true)
    #expect(try scene.list(serials[0], Self.automatic).contains("dbx.auth"))
    #expect(result.notes.contains { $0.contains("does not restore dbx") })
  }

  @Test func forcingIsUndoneExactly() throws {
    let before = try serials.map(settings)
    try scene.stage(automatic: true, force: true)
    #expect(try settings(serials[0]).hasSuffix("secure-boot-enroll force\n"))
    let recorder = MutationRecorder()
    try scene.stage(automatic: true, force: true, on: scene.host(recorder))
    #expect(recorder.mutations.filter { !$0.path.contains("/run/") }.isEmpty)
    try scene.enrol(from: Self.automatic)
    let report = try scene.machine.apply()
    #expect(report.failures.isEmpty && report.unstaged.count == 2)
    #expect(try serials.map(settings) == before)
    #expect(try scene.list(serials[0], "/loader/keys").isEmpty && !scene.list(serials[0], "/loader").contains("keys"))
  }

  /// The administrator's own line stays, and takes effect again afterwards.
  @Test func aLineOfTheAdministratorIsKept() {
    let text = Array("secure-boot-enroll manual\ntimeout 3".utf8)
    let forced = LoaderConfiguration.withForcedEnrolment(text)
    #expect(LoaderConfiguration.forcesEnrolment(forced) && LoaderConfiguration.withForcedEnrolment(forced) == forced)
    #expect(LoaderConfiguration.withoutForcedEnrolment(forced) == text + [0x0a])
    #expect(!LoaderConfiguration.forcesEnrolment(Array("secure-boot-enroll force\n".utf8)))
  }

  @Test func whatCannotWorkIsRefused() throws {
    try scene.setMode(secureBoot: true, setupMode: false)
    #expect(thrown(Failure.self) { try scene.stage(automatic: true) }?.message.contains("Setup Mode") == true)
    try scene.setMode(secureBoot: false, setupMode: true)
    try scene.directory.write(Configuration.path, "Chain=direct\n")
    let direct = thrown(Failure.self) { try scene.stage(automatic: true) }
    #expect(direct?.hint?.contains("enroll --firmware") == true)
    let bare = try StageScene(isApplied: false)
    #expect(thrown(Failure.self) { try bare.stage(automatic: true) }?.hint == "pve-sb-uki apply")
    #expect(try bare.list(serials[0], "/loader/keys").isEmpty)
  }

  // MARK: apply

  private func staged() throws -> Int {
    try serials.reduce(0) { count, serial in
      try count + scene.list(serial, StageScene.menu).count { !$0.hasSuffix(".efi") }
        + scene.list(serial, Self.automatic).count
    }
  }

  @Test func applyRemovesStagedFilesOnceTheKeysAreEnrolled() throws {
    try scene.stage()
    try scene.stage(automatic: true)
    #expect(try staged() == 24)
    #expect(try scene.machine.apply().unstaged.isEmpty)
    try scene.enrol(["db", "KEK"], from: Self.automatic)
    #expect(try scene.machine.apply().unstaged.isEmpty && staged() == 24)
    try scene.enrol(["PK"], from: Self.automatic)
    try scene.setMode(secureBoot: false, setupMode: true)
    #expect(try scene.machine.apply().unstaged.isEmpty && staged() == 24)
    try scene.setMode(secureBoot: true, setupMode: false)
    let dry = try scene.machine.apply { $0.isDryRun = true }
    #expect(try dry.unstaged.count == 2 && staged() == 24)
    let report = try scene.machine.apply()
    #expect(try report.failures.isEmpty && report.unstaged.count == 2 && staged() == 0)
    // The boot loader in the same directory stays.
    #expect(try scene.list(serials[0], StageScene.menu) == ["systemd-bootx64.efi"])
    let recorder = MutationRecorder()
    #expect(try scene.machine.apply(on: scene.host(recorder)).unstaged.isEmpty && recorder.mutations.isEmpty)
  }

  @Test func aPlatformKeyOfAnotherOwnerKeepsTheFiles() throws {
    try scene.stage()
    try scene.enrol(from: StageScene.menu)
    try scene.machine.put(.platformKey, #require(try scene.vendorLists()[.platformKey]))
    #expect(try scene.machine.apply().unstaged.isEmpty && staged() == 18)
  }

  @Test func filesOfOthersAreKept() throws {
    let foreign = try SigningKey("Foreign").certificate
    try scene.stage()
    try scene.write(serials[0], "\(StageScene.menu)/db.cer", foreign.der)
    try scene.write(serials[0], "\(StageScene.menu)/notes.txt", Array("mine".utf8))
    try scene.write(serials[0], "\(Self.automatic)/PK.auth", [UInt8](repeating: 0xff, count: 100))
    try scene.enrol(from: StageScene.menu)
    try scene.machine.apply()
    #expect(try scene.list(serials[0], StageScene.menu) == ["db.cer", "notes.txt", "systemd-bootx64.efi"])
    #expect(try scene.list(serials[0], Self.automatic) == ["PK.auth"])
  }

  @Test func aPowerCutDuringTheRemovalIsResumed() throws {
    try scene.stage()
    try scene.stage(automatic: true, force: true)
    try scene.enrol(from: Self.automatic)
    var number = 1
    while true {
      let recorder = MutationRecorder(.from(number))
      let report = try? scene.machine.apply(on: scene.host(recorder))
      if report?.failures.isEmpty == true { break }
      number += 3
      try #require(number < 400)
    }
    #expect(try staged() == 0 && !settings(serials[0]).contains("force") && !settings(serials[1]).contains("force"))
  }
}
