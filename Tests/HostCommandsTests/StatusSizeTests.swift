// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import Findings
import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import StartupCheck
import TestSupport
import Testing
import UnifiedKernelImage

/// What status says about the size of UKIs and the time of the last boots.
@Suite struct StatusSizeTests {
  private let scene: ApplyScene
  private let newer = ApplyScene.newer

  init() throws {
    scene = try ApplyScene()
    try scene.directory.write("boot/initrd.img-\(newer)", Self.initrd(newer))
    try scene.apply()
  }

  /// An initrd of initramfs-tools with 200 KB that cannot be compressed.
  private static func initrd(_ release: String) throws -> [UInt8] {
    var random = SeededGenerator(seed: 1)
    var member = RAMDiskBytes.Member("lib/firmware/a")
    member.content = (0..<25_000).map { _ in random.next() }.withUnsafeBytes { Array($0) }
    let archive = RAMDiskBytes.initrd(of: release) + RAMDiskBytes.archive([member])
    return try ExternalTool("gzip").run(["-n"], input: archive)
  }

  private func put(_ variable: EFIVariableName, _ text: String) throws {
    let content = [6, 0, 0, 0] + EFIText.serialize(text)
    try scene.directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", content)
  }

  /// systemd-boot took a minute to load the UKI.
  private func boot() throws {
    try put(.loaderInfo, "systemd-boot 257.9")
    try put(.stubInfo, "systemd-stub 257.9")
    try put(.stubImageIdentifier, "\\EFI\\Linux\\pve-\(newer).efi")
    try put(.loaderTimeInit, "5100000")
    try put(.loaderTimeExec, "65100000")
    try scene.directory.write("proc/stat", "btime 4000000000\n")
    try scene.directory.write("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n")
  }

  /// The report; the test fails if it changes anything.
  private func status(_ change: (inout Status, inout Host) -> Void = { _, _ in }) throws -> Status.Report {
    let recorder = MutationRecorder()
    var status = Status()
    var host = try scene.host(recorder)
    change(&status, &host)
    let report = try status.run(on: host)
    #expect(recorder.mutations.isEmpty)
    return report
  }

  @Test func theSizeOfEachUKIIsReported() throws {
    let report = try status()
    #expect(report.images.map(\.name) == [newer, ApplyScene.older].map { "pve-\($0).efi" })
    #expect(report.images.map(\.isPrevious) == [false, false])
    let usage = try #require(report.images.first?.usage)
    let initrd = try #require(try scene.directory.read("boot/initrd.img-\(newer)"))
    #expect(try usage.sizes.total == scene.image(newer)?.count && usage.sizes[.initrd] == initrd.count)
    #expect(usage.compression == "gzip" && report.images[1].usage?.compression == nil)
    #expect(report.boots.isEmpty && !report.findings.contains { $0.kind == .ukiLarge })
  }

  @Test func quickStatusKnowsRecordedSizesOnly() throws {
    #expect(try status { status, _ in status.isQuick = true }.images.map { $0.usage == nil } == [true, true])
    StartupReport.remember(on: try scene.host())
    #expect(try status { status, _ in status.isQuick = true }.images == status().images)
  }

  /// Only its headers can be read.
  @Test func aUKIWhoseInitrdIsInvalidHasASize() throws {
    try scene.directory.write("boot/initrd.img-\(newer)", "not an initrd")
    try scene.apply()
    let usage = try #require(try status().images.first?.usage)
    #expect(try usage.sizes.total == scene.image(newer)?.count && usage.sizes[.initrd] == 13)
  }

  @Test func thisBootIsReportedBeforeItIsRecorded() throws {
    try boot()
    let report = try status()
    let times = BootTimes(program: .systemdBoot, firmware: 5_100_000, loading: 60_000_000)
    #expect(report.boots.map(\.times) == [times] && report.bootID == report.boots[0].bootID)
    #expect(try report.boots.first?.image?.size == scene.image(newer)?.count)
    try BootHistory.record(on: scene.host())
    #expect(try status().boots == report.boots)
    // They say nothing about the machine whose variables these are.
    let copy = try TemporaryDirectory()
    try copy.write("a", "")
    try FileSystem().remove(scene.directory.path(of: BootHistory.path))
    #expect(try status { status, _ in status.variables = copy.path }.boots.isEmpty)
  }

  @Test func anImpossibleTimeIsReportedToPrograms() throws {
    try boot()
    try put(.loaderTimeExec, "-1")
    let report = try status()
    #expect(report.ignoredTimes.map(\.description) == ["LoaderTimeExecUSec: not a number of up to 18 digits"])
    #expect(report.boots.map(\.times.loading) == [nil] && !report.notes.contains { $0.contains("LoaderTime") })
  }

  @Test func aSlowBootGetsAdviceThatNeedsNoAttention() throws {
    try boot()
    try scene.directory.write("usr/sbin/mkinitramfs", "")
    try scene.directory.write("usr/bin/zstd", "")
    try scene.directory.write("boot/config-\(newer)", "CONFIG_RD_ZSTD=y\n")
    try scene.directory.write("sys/firmware/efi/fw_platform_size", "64\n")
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/boot/efi\n")
    let without = try status { $1.isRunningSystem = true }
    let finding = try #require(without.findings.first { $0.kind == .ukiLarge })
    #expect(finding.severity == .note && finding.message.contains("pve-\(newer).efi"))
    #expect(finding.command?.contains("COMPRESS=zstd") == true)
    #expect(without.nextStep?.contains("COMPRESS") != true)
    // The menu may have waited for a person.
    try put(.loaderTimeMenu, "5200000")
    #expect(try !status { $1.isRunningSystem = true }.findings.contains { $0.kind == .ukiLarge })
  }
}
