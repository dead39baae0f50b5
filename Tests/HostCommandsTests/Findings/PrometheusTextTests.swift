// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Findings
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import StartupCheck
import TestSupport
import Testing

/// Metrics for node_exporter.
///
/// In `prometheus-test`, promtool and a real node_exporter read the same text.
@Suite struct PrometheusTextTests {
  /// A machine with names that have to be escaped, and with repeated ones.
  private static func machine() -> PrometheusText {
    var text = PrometheusText()
    text.findings = [
      Finding(.ukiMissing, "a"), Finding(.espFull, "b"), Finding(.ukiMissing, "c"),
    ]
    text.isHealthy = false
    text.bootPaths = [
      .init(name: "Boot0003", target: "EFI/Linux/pve-6.8.12-10-pve.efi", verdict: "starts"),
      .init(name: "Boot0000", target: "EFI\\proxmox\\\"a\nb\".efi", verdict: "rejected"),
      .init(name: "Boot0003", target: "EFI/Linux/pve-6.8.12-10-pve.efi", verdict: "starts"),
    ]
    text.esps = [
      .init(name: "/boot/efi", free: 123_456_789), .init(name: "/boot/efi", free: 5),
      .init(name: "1111-AAA1", free: nil),
    ]
    text.certificates = [CertificateTerm(name: "signing", subject: "CN = Müller db", end: 2_110_000_000)]
    text.lastApply = 1_795_000_000
    let usage = ImageUsage(size: "248000000 12000000 215000000 20000000 0", microcode: "0 0", content: "- 0 0")
    text.images = usage.map { [.init(name: "pve-6.8.12-10-pve.efi", usage: $0)] } ?? []
    text.lastBoot = BootTimes(program: .uki, firmware: 14_213_007, loading: 12_800_000)
    return text
  }

  private static func isFinding(_ line: Substring) -> Bool { line.hasPrefix("pve_sb_uki_finding{") }

  @Test func theTextIsWhatNodeExporterReads() throws {
    let lines = Self.machine().text.split(separator: "\n", omittingEmptySubsequences: false)
    let path = "\(Fixture.projectDirectory)/Tests/System/lib/prometheus-metrics"
    let golden = String(decoding: try FileSystem().readFile(path, limit: 1 << 16), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.filter { !Self.isFinding($0) } == golden.filter { !Self.isFinding($0) })
    let findings = Set(lines.filter(Self.isFinding))
    #expect(golden.filter(Self.isFinding).allSatisfy(findings.contains))
    #expect(findings.count == FindingKind.allCases.count)
    for kind in FindingKind.allCases {
      let start = "pve_sb_uki_finding{kind=\"\(kind.rawValue)\",severity=\"\(kind.severity.name)\"} "
      #expect(findings.count { $0.hasPrefix(start) } == 1, "\(kind)")
    }
  }

  @Test func aHealthyMachineHasNoUnknownValues() {
    let text = PrometheusText().text
    #expect(text.contains("pve_sb_uki_healthy 1\n") && text.contains("pve_sb_uki_last_apply_success 1\n"))
    #expect(!text.contains("boot_path") && !text.contains("last_apply_timestamp") && !text.contains("expiry"))
  }

  @Test func theLastApplyIsTheLastThatChangedSomething() throws {
    let scene = try ApplyScene()
    #expect(try PrometheusText.lastApply(on: scene.host()) == nil)
    try scene.apply()
    let first = try #require(try PrometheusText.lastApply(on: scene.host()))
    try scene.apply()
    #expect(try PrometheusText.lastApply(on: scene.host()) == first)
  }
}
