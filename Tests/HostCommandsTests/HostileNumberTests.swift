// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import Glibc
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

/// Promise I8: no number in a state file and no clock makes a program trap.
@Suite struct HostileNumberTests {
  private static let numbers = [
    "9223372036854775807", "-9223372036854775808", "1099511627777", "253402300800", "18446744073709551615", "",
  ]
  private let scene: ApplyScene
  init() throws { scene = try ApplyScene() }

  private func edit(_ name: String, _ change: (String) -> String) throws {
    let text = String(decoding: try #require(try scene.directory.read(name)), as: UTF8.self)
    try scene.directory.write(name, change(text))
  }

  /// The machine is booted from that kernel's UKI.
  private func bootNewer(at time: String) throws {
    try scene.directory.write("proc/stat", "btime \(time)\n")
    let vendor = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    for (name, text) in [
      ("StubInfo", "systemd-stub 257.9-1"), ("StubImageIdentifier", "\\EFI\\Linux\\pve-\(ApplyScene.newer).efi"),
    ] {
      try scene.directory.write(
        "sys/firmware/efi/efivars/\(name)-\(vendor)", [6, 0, 0, 0] + EFIText.serialize(text))
    }
  }

  /// A removal is planned and executed, with sums over all sizes.
  private func runEverything() throws {
    unlink(scene.directory.path(of: "boot/vmlinuz-\(ApplyScene.older)"))
    _ = try scene.apply { $0.isDryRun = true }
    _ = try Status().run(on: scene.host())
    #expect(try scene.apply().failures.isEmpty)
    #expect(try scene.isComplete(ApplyScene.newer))
  }

  @Test(arguments: ["image", "input", "booted", "copy"], numbers)
  func inTheManifest(keyword: String, number: String) throws {
    try scene.apply()
    try bootNewer(at: "4000000000")
    try edit("var/lib/pve-sb-uki/manifest") { text in
      text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
        guard line.hasPrefix("\(keyword) ") else { return String(line) }
        var fields = line.split(separator: " ").map(String.init)
        fields[keyword == "image" ? 2 : 1] = number
        return fields.joined(separator: " ")
      }.joined(separator: "\n")
    }
    try runEverything()
  }

  @Test(arguments: ["failure", "pending", "repairs", "loader-default"], numbers)
  func inOtherRecords(name: String, number: String) throws {
    try scene.apply()
    try scene.directory.write("var/lib/pve-sb-uki/\(name)", "\(number) text\n\(number)\ntext\n")
    try runEverything()
    try scene.directory.write("var/lib/pve-sb-uki/\(name)", "\(number)\ntext\n")
    _ = try Status().run(on: scene.host())
  }

  @Test(arguments: numbers) func asTheBootTime(number: String) throws {
    try bootNewer(at: number)
    try scene.apply()
    try runEverything()
  }

  @Test(arguments: [Int64.min, -1, 0, 253_402_300_799, 253_402_300_800, .max]) func asTheClock(time: Int64) throws {
    var host = try scene.host()
    host.now = { time }
    #expect(0...253_402_300_799 ~= host.now())
    // The certificate is not valid then, which firmware ignores.
    let result = try Apply.run(on: host)
    #expect(result.failures.isEmpty && result.notes.contains { $0.contains("firmware ignores this") })
    #expect(try Status().run(on: host).needsAttention)
    let root = try TemporaryDirectory()
    var other = try root.host()
    other.now = { time }
    _ = try? KeysCreate().run(on: other)
    _ = try? KeysList().run(on: other)
  }

  /// 253402300799 is the last second of the year 9999.
  @Test(arguments: numbers + ["253402300799", "253402300798"]) func asTheTimeOfTheLastUpdate(number: String) throws {
    let root = try TemporaryDirectory()
    _ = try KeysCreate().run(on: root.host())
    try root.write("etc/pve-sb-uki/keys/LAST-UPDATE", "\(number)\n")
    var export = KeysExport()
    export.directory = root.path(of: "out")
    do {
      _ = try export.run(on: root.host())
      Issue.record("\(number) is accepted")
    } catch {
      #expect((error as? any HintedError)?.hint != nil, "\(number): \(error)")
    }
    #expect(try root.list("out").isEmpty)
  }

  @Test func inSizesOfSparseFiles() throws {
    try scene.apply()
    let name = "\(ApplyScene.images)/.pve-x.efi.0011223344556677.pve-sb-uki.tmp"
    try scene.directory.write(name, "")
    for exponent in [62, 53, 43, 40] where truncate(scene.directory.path(of: name), 1 << exponent) == 0 { break }
    try runEverything()
    #expect(try scene.imageNames() == ["pve-\(ApplyScene.newer).efi"])
  }
}
