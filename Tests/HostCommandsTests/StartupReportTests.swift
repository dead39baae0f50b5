// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Findings
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import StartupCheck
import TestSupport
import Testing

@Suite struct StartupReportTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  private struct NotReady: Error {}

  /// The report; the test fails if making it changes anything.
  private func report(isQuick: Bool = false) throws -> StartupReport {
    let recorder = MutationRecorder()
    let host = try scene.host(recorder)
    guard case .ready(let configuration, let survey) = try Readiness(of: host) else { throw NotReady() }
    var options = ApplyOptions()
    options.isDryRun = true
    let assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
    let report = StartupReport(assessment.observation, assessment.plan, on: host, isQuick: isQuick)
    #expect(recorder.mutations.isEmpty)
    return report
  }

  @Test func eachUKIIsExamined() throws {
    #expect(try report().results.isEmpty)
    try scene.apply()
    let report = try report()
    #expect(report.findings.map(\.message.description) == [] && report.results.map(\.isExamined) == [true, true])
    #expect(report.results.map(\.name) == [newer, older].map { "EFI/Linux/pve-\($0).efi on /boot/efi" })
    #expect(report.record.images.count == 2)
  }

  @Test func aUKIWithAnotherCommandLineIsReported() throws {
    try scene.apply()
    try scene.directory.write("etc/kernel/cmdline-\(older)", "root=/dev/mapper/pve-root ro debug\n")
    let found = try report().findings
    #expect(found.map(\.kind) == [.commandLineDiffers] && found[0].message.description.contains(older))
  }

  @Test func damageInAnInitrdIsReportedForItsKernel() throws {
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.apply()
    let report = try report()
    #expect(report.findings.map(\.kind) == [.initrdIncomplete] && report.results.map(\.isExamined) == [false, true])
    #expect(report.findings[0].message.description.contains("pve-\(newer).efi on /boot/efi"))
  }

  /// A previous UKI has the command line of its time.
  @Test func aPreviousUKIMayHaveAnotherCommandLine() throws {
    try scene.apply()
    let old = try #require(try scene.image(newer))
    try scene.directory.write("etc/kernel/cmdline", "root=/dev/mapper/pve-root ro debug\n")
    try scene.apply()
    let path = "\(ApplyScene.images)/pve-\(newer)~previous.efi"
    try scene.directory.write(path, old)
    let report = try report()
    #expect(report.results.count == 3 && report.results.allSatisfy { $0.isExamined } && report.findings.isEmpty)
  }

  @Test func theRecordIsSavedByRememberAndUsed() throws {
    try scene.apply()
    let recorder = MutationRecorder()
    let host = try scene.host(recorder)
    StartupReport.remember(on: host)
    #expect(!recorder.mutations.isEmpty && recorder.mutations.allSatisfy { $0.path.contains("/var/cache") })
    let count = recorder.mutations.count
    StartupReport.remember(on: host)
    #expect(recorder.mutations.count == count)
    #expect(try report(isQuick: true).results.map(\.isExamined) == [true, true])
    // Without it, a quick report knows no content.
    try scene.directory.write("var/cache/pve-sb-uki/startup", "damaged")
    let quick = try report(isQuick: true)
    #expect(quick.results.map(\.isExamined) == [false, false] && quick.findings.isEmpty)
    #expect(try report().results.map(\.isExamined) == [true, true])
  }

  /// The hooks write UKIs without recording them.
  @Test func aUKIWrittenByAHookIsRecordedByTheNextRun() throws {
    try scene.apply()
    StartupReport.remember(on: try scene.host())
    try scene.directory.write("etc/kernel/cmdline", "root=/dev/mapper/pve-root ro debug\n")
    try scene.apply()
    #expect(try report(isQuick: true).results.map(\.isExamined) == [false, false])
    StartupReport.remember(on: try scene.host())
    #expect(try report(isQuick: true).results.map(\.isExamined) == [true, true])
  }

  @Test func aUKIThatCannotBeExaminedIsRecordedAsSuch() throws {
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.apply()
    StartupReport.remember(on: try scene.host())
    let record = StartupRecord.load(from: try scene.host().files)
    #expect(record.images.count == 1 && record.omitted.count == 1)
    // status tries again, so that it knows why.
    #expect(try report().findings.map(\.kind) == [.initrdIncomplete])
    let recorder = MutationRecorder()
    StartupReport.remember(on: try scene.host(recorder))
    #expect(recorder.mutations.isEmpty)
    // With another initrd, it is another UKI.
    try scene.directory.write("boot/initrd.img-\(newer)", ApplyScene.initrd(of: newer))
    try scene.apply()
    StartupReport.remember(on: try scene.host())
    #expect(StartupRecord.load(from: try scene.host().files).omitted.isEmpty)
  }

  @Test func aRecordThatCannotBeSavedIsNoFailure() throws {
    try scene.apply()
    StartupReport.remember(on: try scene.host(MutationRecorder(.from(1))))
    #expect(try scene.directory.read("var/cache/pve-sb-uki/startup") == nil)
  }
}
