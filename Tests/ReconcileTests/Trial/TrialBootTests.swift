// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import HostScenes
import HostSystem
import Reconcile
import TestSupport
import Testing

/// What runs during a boot: the generator, the test of a way out, and the confirmation.
@Suite struct TrialBootTests {
  private let scene: TrialScene
  private static let units = "/run/systemd/generator"
  private var deadline: String { "run/systemd/generator/pve-sb-uki-trial.timer.d/trial.conf" }
  private var test: String { "run/systemd/generator/pve-sb-uki-self-test.service.d/trial.conf" }

  init() throws {
    scene = try TrialScene()
    try scene.install(TrialScene.newer)
    try scene.mirror.apply()
  }

  private func generate() throws { try TrialBoot.generate(in: Self.units, on: scene.mirror.host()) }

  /// A host whose programs are replaced: `systemctl show` prints these states, one answer after the other, and all other
  /// programs are only noted.
  private final class Programs: Sendable {
    private let answers: Guarded<[String]>
    let calls = Guarded<[String]>([])

    init(_ answers: [String] = []) { self.answers = Guarded(answers) }

    func host(_ scene: TrialScene) throws -> Host {
      var host = try scene.mirror.host()
      host.processes = ProcessRunner { program, arguments in
        self.calls.withLock { $0.append(([program] + arguments).joined(separator: " ")) }
        return 0
      } collect: { program, arguments, _ in
        self.calls.withLock { $0.append(([program] + arguments).joined(separator: " ")) }
        let answer = self.answers.withLock { $0.count > 1 ? $0.removeFirst() : $0.first ?? "" }
        return ProcessOutput(status: 0, output: Array(answer.utf8))
      }
      return host
    }
  }

  @Test func onlyATrialHasADeadline() throws {
    try generate()
    #expect(try scene.directory.read(deadline) == nil)
    try scene.boot()
    try scene.set("Chain=direct\nPromotion=trial\nTrialSeconds=77\n")
    try generate()
    let text = try scene.directory.read(deadline).map { String(decoding: $0, as: UTF8.self) }
    #expect(text == "[Timer]\nOnBootSec=\nOnBootSec=77s\n")
    #expect(try scene.directory.read(test) == nil)
  }

  @Test func theOldUKIHasNoDeadline() throws {
    try scene.boot()
    try scene.boot()
    try generate()
    #expect(try scene.directory.read(deadline) == nil)
  }

  /// The deadline is more important than its length.
  @Test func damagedSettingsMeanTheUsualDeadline() throws {
    try scene.boot()
    try scene.set("Promotion=\u{0}")
    try generate()
    #expect(try scene.directory.read(deadline).map { String(decoding: $0, as: UTF8.self) }?.contains("900s") == true)
  }

  @Test func theBootIsConfirmedWhenAllUnitsAreActive() throws {
    try scene.set("Chain=direct\nPromotion=trial\nConfirmSeconds=4\n")
    try scene.directory.write("usr/lib/systemd/system/pveproxy.service", "")
    try scene.boot()
    let programs = Programs([
      "activating\n\nactive\n", "active\n\nactive\n", "failed\n\nactive\n", "active\n\nactive\n",
    ])
    let confirmer = try BootConfirmer(on: programs.host(scene))
    #expect(confirmer.units == ["multi-user.target", "pveproxy.service"])
    #expect(try confirmer.run())
    #expect(BootConfirmation.exists(on: try scene.mirror.host()))
    // One break starts the four seconds anew: five looks.
    #expect(programs.calls.withLock { $0.count { $0.hasPrefix("systemctl show") } } == 5)
    #expect(programs.calls.withLock { $0.count { $0 == "sleep 2" } } == 5)
    #expect(try !BootConfirmer(on: programs.host(scene)).run())
  }

  @Test func theWatchdogIsGivenBack() throws {
    try scene.set("Chain=direct\nPromotion=trial\nConfirmUnits=a.service\nConfirmSeconds=0\n")
    try scene.directory.write("run/systemd/system.conf.d/90-pve-sb-uki.conf", "[Manager]\nRuntimeWatchdogSec=60\n")
    try scene.boot()
    let programs = Programs(["active\n"])
    #expect(try BootConfirmer(on: programs.host(scene)).run())
    #expect(try scene.directory.list("run/systemd/system.conf.d").isEmpty)
    #expect(programs.calls.withLock { $0.last } == "systemctl daemon-reload")
  }

  @Test func withoutTrialsNothingIsConfirmed() throws {
    try scene.set("Chain=direct\n")
    let programs = Programs()
    #expect(try !BootConfirmer(on: programs.host(scene)).run())
    #expect(programs.calls.withLock { $0.isEmpty })
  }

  private func request(_ test: ResetTest) throws {
    try scene.boot()
    try scene.confirm()
    try scene.mirror.apply()
    let name = "pve-\(TrialScene.newer).efi"
    try scene.directory.write("var/lib/pve-sb-uki/trial", "request \(name) \(test.rawValue)\n")
    try scene.mirror.apply()
  }

  @Test(arguments: ResetTest.allCases) func aTestIsMadeOnce(_ test: ResetTest) throws {
    try request(test)
    #expect(try scene.next() == "Proxmox VE \(TrialScene.newer) (trial)")
    #expect(try scene.boot() == "pve-\(TrialScene.newer).efi @1")
    try generate()
    #expect(try scene.directory.read(self.test) != nil && scene.directory.read(deadline) != nil)
    let programs = Programs()
    // Such a boot is never confirmed.
    #expect(try !BootConfirmer(on: programs.host(scene)).run())
    var host = try programs.host(scene)
    host.now = { 4_000_003_100 }
    try TrialBoot.startTest(on: host)
    let calls = programs.calls.withLock { $0 }
    switch test {
    case .panic: #expect(calls == ["sh -c echo c >/proc/sysrq-trigger"])
    case .watchdog: #expect(calls == ["sh -c kill -SEGV 1"])
    case .deadline: #expect(calls.isEmpty)
    }
    #expect(try scene.record.attempt?.started == 4_000_003_100)
    #expect(try !BootConfirmer(on: host).run())
    // It comes back.
    #expect(try scene.boot(at: 4_000_003_200) == "pve-\(TrialScene.newer).efi")
    try scene.mirror.apply()
    #expect(try scene.record.passed[test] == 4_000_003_100)
    #expect(try scene.record.attempt == nil && scene.record.request == nil)
    #expect(try scene.next() == nil)
  }

  @Test func aLateReturnProvesNothing() throws {
    try request(.panic)
    try scene.boot()
    var host = try Programs().host(scene)
    host.now = { 4_000_003_100 }
    try TrialBoot.startTest(on: host)
    try scene.boot(at: 4_000_009_999)
    try scene.mirror.apply()
    #expect(try scene.record.passed.isEmpty)
    #expect(try scene.record.late[.panic] == 4_000_003_100)
  }
}
