// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import Findings
import Glibc
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct StatusTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  /// The report; the test fails if it changes anything.
  private func status() throws -> Status.Report {
    let recorder = MutationRecorder()
    let report = try Status().run(on: scene.host(recorder))
    #expect(recorder.mutations.isEmpty)
    return report
  }

  private func states(_ report: Status.Report) -> [String] {
    report.kernels.map { "\($0.release) \($0.states.map(\.state.rawValue).joined(separator: " "))" }
  }

  @Test func statusIsHealthyAfterApply() throws {
    #expect(try status().needsAttention)
    try scene.apply()
    let report = try status()
    #expect(!report.needsAttention && report.nextStep == nil && report.problems.isEmpty)
    #expect(states(report) == ["\(newer) current", "\(older) current"])
    #expect(report.kernels.map(\.reasons) == [["newest"], ["newest"]])
    #expect(report.esps.map(\.name) == ["/boot/efi"] && report.esps[0].free ?? 0 > 0)
    #expect(report.certificate == scene.key.certificate.subject)
  }

  /// A wrong clock costs neither UKIs nor keys; status says what is wrong.
  @Test(arguments: [0, 4_102_444_800] as [Int64]) func aWrongClockPreventsNothing(_ now: Int64) throws {
    var host = try scene.host()
    host.now = { now }
    host.programTime = SigningKey.now
    let options = ApplyOptions()
    let applied = try Apply.run(options, on: host)
    #expect(applied.failures.isEmpty && applied.images.map(\.state) == [.signed, .signed])
    #expect(applied.notes.contains { $0.contains("firmware ignores this") && $0.contains("timedatectl") })
    #expect(try scene.isComplete(newer))
    let report = try Status().run(on: host)
    #expect(report.needsAttention && report.problems.allSatisfy { $0.hint?.contains("timedatectl") == true })
    #expect(report.problems.count == 1)
    #expect(report.nextStep?.contains("keys create") == false)
    host.now = { SigningKey.now }
    #expect(try !Status().run(on: host).needsAttention)
  }

  @Test func entriesOfDbThatAreIgnoredAreNamed() throws {
    try scene.apply()
    let type = GUID(0x1234_5678, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    var writer = ByteWriter()
    writer.write(type.bytes)
    for size in [28 + 17, 0, 17] as [UInt32] { writer.write(size) }
    writer.write([UInt8](repeating: 1, count: 17))
    let content = EFIVariableContent(attributes: .keyDatabase, data: writer.bytes)
    try scene.directory.write(
      "\(EFIVariableStore.directory)/\(EFIVariableName.signatureDatabase.fileName)", content.serialize())
    #expect(try status().notes.contains { $0.contains("db contains 1 entries of unknown type") })
  }

  @Test func everyImageStateIsReported() throws {
    #expect(states(try status()) == ["\(newer) missing", "\(older) missing"])
    try scene.apply()
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    var bad = try #require(try scene.image(older))
    bad[bad.count / 2] ^= 1
    try scene.directory.write(ApplyScene.imageName(older), bad)
    let report = try status()
    #expect(states(report) == ["\(newer) stale", "\(older) changed"])
    #expect(report.problems.count == 2 && report.nextStep == "pve-sb-uki apply")
    try scene.directory.write("boot/vmlinuz-\(newer)", "no kernel")
    #expect(states(try status()).first == "\(newer) unusable")
  }

  @Test func theLastFailureIsReported() throws {
    try scene.apply()
    let record = FailureRecord(time: 1_750_000_000, messages: ["it went wrong (do this)"])
    try record.save(to: scene.host().files)
    // Nothing is wrong, and there is nothing to do.
    #expect(try !status().needsAttention && status().lastFailure == nil)
    try PendingWork.note(newer, at: 1_750_000_000, in: scene.host().files)
    let report = try status()
    #expect(report.lastFailure?.time == "2025-06-15 15:06:40 UTC" && report.needsAttention)
    #expect(report.problems.first?.description.contains("it went wrong") == true)
  }

  @Test func anUnbootableLineIsAProblemUnlessItBooted() throws {
    try scene.directory.write("etc/kernel/cmdline", "quiet nokaslr\n")
    try scene.apply()
    let report = try status()
    let kinds = report.findings.filter { $0.message.contains("root= is missing") }.map(\.kind)
    #expect(kinds == [.rootMissing, .rootMissing, .commandLineInvalid])
    #expect(report.nextStep == "pve-sb-uki cmdline edit" && report.notes.contains { $0.contains("nokaslr") })
    #expect(!report.notes.contains { $0.contains("root= is missing") })
    try scene.directory.write("proc/cmdline", "quiet nokaslr initrd=x\n")
    try scene.directory.write("sys/firmware/efi/fw_platform_size", "64\n")
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/boot/efi\n")
    var host = try scene.host()
    host.isRunningSystem = true
    let proven = try Status().run(on: host)
    #expect(!proven.problems.contains { $0.description.contains("root= is missing") })
    #expect(proven.notes.contains { $0.contains("root= is missing") })
  }

  @Test func theSecureBootStateIsReported() throws {
    try scene.apply()
    func variable(_ name: String, _ data: [UInt8]) throws {
      try scene.directory.write("sys/firmware/efi/efivars/\(name)", [6, 0, 0, 0] + data)
    }
    try variable("SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", [0])
    let off = try status()
    #expect(off.secureBoot == "off" && off.isTrusted == true && off.needsAttention)
    #expect(off.findings.map(\.kind).contains(.secureBootOff))
    #expect(off.state?.ifSecureBootWereOn?.contains("would reject") == true)
    try variable("SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", [1])
    let report = try status()
    #expect(report.secureBoot == "on" && report.isTrusted == false && report.needsAttention)
    let command = report.state?.nextCommand
    #expect(command?.contains("pve-sb-uki enroll --stage") == true)
    #expect(report.findings.contains { $0.kind == .keyNotEnrolled && $0.command == command })
  }

  @Test func onlySomeSkipReasonsNeedAttention() throws {
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Enabled=no\n")
    #expect(try status().skipReason == .disabled && !status().needsAttention)
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "")
    unlink(scene.directory.path(of: "etc/pve-sb-uki/keys/db.key"))
    #expect(try status().skipReason == .noKeys && status().needsAttention)
    #expect(try status().nextStep?.contains("keys create") == true)
  }
}
