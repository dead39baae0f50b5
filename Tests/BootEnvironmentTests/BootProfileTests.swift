// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
import TestSupport
import Testing

@Suite struct BootProfileTests {
  private let root: TemporaryDirectory

  init() throws { root = try TemporaryDirectory() }

  private func load(_ text: String, as name: String = "rescue.conf") throws -> [BootProfile] {
    try root.write("etc/pve-sb-uki/profiles.d/\(name)", text)
    return try BootProfile.load(from: root.host().files)
  }

  @Test(arguments: [
    ("Add=single", "root=/dev/sda1 ro quiet console=tty0 console=ttyS0 single"),
    ("Remove=quiet", "root=/dev/sda1 ro console=tty0 console=ttyS0"),
    ("Remove=console", "root=/dev/sda1 ro quiet"),
    ("Remove=console=tty0\nAdd=a=\"b c\" d", "root=/dev/sda1 ro quiet console=ttyS0 a=\"b c\" d"),
    ("Remove=ro other\nAdd=rw", "root=/dev/sda1 quiet console=tty0 console=ttyS0 rw"),
    ("", "root=/dev/sda1 ro quiet console=tty0 console=ttyS0"),
  ])
  func wordsAreAddedAndRemoved(_ text: String, _ line: String) throws {
    let profile = try #require(try load(text).first)
    #expect(profile.id == "rescue" && profile.name == "rescue" && profile.hasEntry)
    #expect(profile.commandLine(from: "root=/dev/sda1 ro quiet console=tty0 console=ttyS0") == line)
  }

  @Test func filesAreReadInOrder() throws {
    for name in ["b.conf", "a.conf", ".c.conf", "d"] { _ = try load("Title=T \(name)\nEntry=no", as: name) }
    let profiles = try BootProfile.load(from: root.host().files)
    #expect(profiles.map(\.name) == ["T a.conf", "T b.conf"] && profiles.allSatisfy { !$0.hasEntry })
  }

  @Test(arguments: ["Titel=x", "Entry=maybe", "Title=a\"b", "x", "Add=a \"b"])
  func invalidSettingsAreReportedWithTheirLine(_ text: String) throws {
    let error = thrown(BootEnvironmentError.self) { try load("# c\n\(text)\n") }
    #expect(error?.line == 2 && error?.path == "/etc/pve-sb-uki/profiles.d/rescue.conf", "\(String(describing: error))")
  }

  @Test(arguments: ["trial.conf", "main.conf"]) func someNamesAreReserved(_ name: String) throws {
    #expect(thrown(BootEnvironmentError.self) { try load("", as: name) }?.hint != nil)
  }

  @Test func damageNeverCrashes() throws {
    for content in Mutations(of: Array("Title=a\nAdd=b \"c d\"\nRemove=e\nEntry=no\n".utf8), count: 2000) {
      let profile = try? BootProfile(id: "a", parsing: content, path: "x")
      _ = profile?.commandLine(from: "root=a \"b c\" e=")
    }
  }

  /// Without a file with the command line, that of the running kernel is used, which may run for a trial.
  @Test func aTrialLeavesNoWords() throws {
    let line = BootProfile.trial.commandLine(from: "root=/dev/sda1 panic=5 quiet")
    #expect(line == "root=/dev/sda1 quiet pve-sb-uki.guard panic=30 rd.shell=0 rd.emergency=reboot")
    try root.write("proc/cmdline", "BOOT_IMAGE=x \(line)\n")
    #expect(try CommandLine(of: root.host().files).text == "root=/dev/sda1 quiet")
    try root.write("proc/cmdline", "root=/dev/sda1 panic=30\n")
    #expect(try CommandLine(of: root.host().files).text == "root=/dev/sda1 panic=30")
  }
}
