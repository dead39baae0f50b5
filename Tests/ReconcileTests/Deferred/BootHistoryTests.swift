// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import HostScenes
import HostSystem
import Reconcile
import TestSupport
import Testing

@Suite struct BootHistoryTests {
  private let scene: ApplyScene
  private static let ids = ["11111111-2222-3333-4444-555555555555", "66666666-2222-3333-4444-555555555555"]

  init() throws {
    scene = try ApplyScene()
    try scene.directory.write("proc/stat", "btime 4000000000\n")
    try put(.loaderInfo, "systemd-boot 257.9")
    try put(.stubInfo, "systemd-stub 257.9")
    try put(.stubImageIdentifier, "\\EFI\\Linux\\pve-\(ApplyScene.newer).efi")
    try scene.apply()
    try boot(0, "17900000")
  }

  private func put(_ variable: EFIVariableName, _ text: String) throws {
    let content = [6, 0, 0, 0] + EFIText.serialize(text)
    try scene.directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", content)
  }

  private func boot(_ number: Int, _ exec: String) throws {
    try scene.directory.write("proc/sys/kernel/random/boot_id", Self.ids[number] + "\n")
    try put(.loaderTimeInit, "5100000")
    try put(.loaderTimeExec, exec)
  }

  private func history() throws -> BootHistory { BootHistory.load(from: try scene.host().files) }

  @Test func aBootIsRecordedOnceWithItsUKI() throws {
    try BootHistory.record(on: scene.host())
    let boot = try #require(try history().boots.first)
    #expect(boot.bootID == Self.ids[0] && boot.time == 4_000_000_000)
    #expect(boot.times == BootTimes(program: .systemdBoot, firmware: 5_100_000, loading: 12_800_000))
    let image = try #require(try scene.image(ApplyScene.newer))
    #expect(boot.image?.name == "pve-\(ApplyScene.newer).efi" && boot.image?.size == image.count)
    #expect(boot.loadingRate == 12_800_000 / Double(image.count))
    let recorder = MutationRecorder()
    try BootHistory.record(on: scene.host(recorder))
    #expect(recorder.mutations.isEmpty)
    #expect(try history().boots.count == 1)
  }

  @Test func theServiceOfEachBootRecordsIt() throws {
    #expect(try !BootConfirmer(on: scene.host()).run())
    #expect(try history().boots.map(\.bootID) == [Self.ids[0]])
  }

  /// kexec starts a kernel without the firmware; the variables are still those of the boot before.
  @Test func aKernelStartedByAnotherKernelIsNotABoot() throws {
    try BootHistory.record(on: scene.host())
    try boot(1, "17900000")
    try BootHistory.record(on: scene.host())
    #expect(try history().boots.map(\.bootID) == [Self.ids[0]])
    try boot(1, "17900001")
    try BootHistory.record(on: scene.host())
    #expect(try history().boots.map(\.bootID) == Self.ids)
  }

  @Test func theLastTenBootsAreKept() throws {
    var history = BootHistory()
    for number in 10..<25 {
      let times = BootTimes(program: .other, firmware: number)
      history.add(.init(bootID: "000000\(number)-2222-3333-4444-555555555555", time: 5, times: times, image: nil))
    }
    #expect(history.boots.compactMap(\.times.firmware) == Array(15..<25))
    #expect(BootHistory(parsing: history.serialize()) == history)
  }

  @Test func withoutATimeNothingIsRecorded() throws {
    try boot(0, "1")
    try put(.loaderTimeInit, "")
    let recorder = MutationRecorder()
    try BootHistory.record(on: scene.host(recorder))
    #expect(recorder.mutations.isEmpty)
  }

  @Test func aDamagedRecordIsReadAsFarAsPossible() throws {
    try BootHistory.record(on: scene.host())
    let content = try #require(try scene.directory.read(BootHistory.path))
    for bytes in Mutations(of: content, count: 2000) {
      let read = BootHistory(parsing: String(decoding: bytes, as: UTF8.self))
      #expect(BootHistory(parsing: read.serialize()) == read)
    }
    let huge = "\(Self.ids[0]) 5 uki 99999999999999 -1 0 - 5 00 a b\n"
    #expect(BootHistory(parsing: huge + "\n\nnonsense\n").boots.isEmpty)
  }
}
