// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// Which ways out of a dead boot `boot trial --self-test` tests: a test without a way out would leave the machine dead.
@Suite struct SelfTestTests {
  private let machine: MirrorScene

  init() throws { machine = try MirrorScene() }

  /// The state of the watchdog's test: its name, or why it is not made.
  private func watchdog(stub: Fixture, settings: String = "Promotion=trial\nWatchdog=i6300esb\n") throws -> String {
    let host = try machine.host()
    try machine.directory.write(String(BootPrograms(host.machine).stub.dropFirst()), stub.bytes())
    try machine.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", settings)
    let (_, state) = try #require(SelfTest(on: host).tests.first { $0.test == .watchdog })
    switch state {
    case .unavailable(let reason): return reason.description
    case .open: return "open"
    case .passed, .late: return "done"
    }
  }

  @Test func theWatchdogIsTestedOnlyWhereItOutlivesTheInitrd() throws {
    #expect(try watchdog(stub: .stub257) == "open")
    #expect(try watchdog(stub: .stub252).contains("only covers the initrd"))
    #expect(try watchdog(stub: .stub257, settings: "Promotion=trial\n") == "Watchdog= names no module")
    try machine.directory.write("lib/systemd/system/watchdog-mux.service", "")
    #expect(try watchdog(stub: .stub257).hasPrefix("watchdog-mux"))
  }

  @Test func withoutAWatchdogTheDeadlineIsNext() throws {
    _ = try watchdog(stub: .stub252)
    #expect(try SelfTest(on: machine.host()).next == .panic)
  }
}
