// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
import TestSupport
import Testing

@Suite struct CommandLineTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private func line() throws -> CommandLine { try CommandLine(of: directory.host().files) }

  @Test(arguments: [
    ("root=/dev/sda1 ro\n", "root=/dev/sda1 ro"),
    ("root=/dev/sda1 ro", "root=/dev/sda1 ro"),
    ("# who wrote this\n\n  root=ZFS=rpool/ROOT/pve-1\t\n quiet \n# end\n", "root=ZFS=rpool/ROOT/pve-1 quiet"),
    ("root=LABEL=#1 a=\"b  c\"", "root=LABEL=#1 a=\"b  c\""),
  ])
  func theFileIsJoined(content: String, wanted: String) throws {
    try directory.write("etc/kernel/cmdline", content)
    try directory.write("proc/cmdline", "other")
    #expect(try line().text == wanted)
    #expect(try line().path == "/etc/kernel/cmdline")
  }

  @Test(arguments: [
    ("BOOT_IMAGE=/vmlinuz-6.1 root=/dev/sda1 ro initrd=\\x\\y quiet\n", "root=/dev/sda1 ro quiet"),
    ("root=/dev/sda1 dyndbg=\"file a +p; initrd=b\" x\n", "root=/dev/sda1 dyndbg=\"file a +p; initrd=b\" x"),
  ])
  func theRunningLineIsFiltered(content: String, wanted: String) throws {
    try directory.write("proc/cmdline", content)
    #expect(try line().text == wanted)
  }

  @Test func aLineWithoutRootIsNoticed() throws {
    try directory.write("etc/kernel/cmdline", "quiet x=\"root=/dev/sda\" noroot=1")
    #expect(try !line().namesRoot)
    try directory.write("etc/kernel/cmdline", "quiet\nroot=/dev/sda")
    #expect(try line().namesRoot)
  }

  @Test(
    arguments: [
      ([], nil), ([0x0a, 0x20, 0x0a], nil), (Array("# only\n".utf8), nil), (Array("a\nroot=\u{0}x".utf8), 2),
      (Array("a\r\n".utf8), 1), (Array("\u{1b}[2J".utf8), 1), ([0x61, 0xff], nil),
    ] as [([UInt8], Int?)])
  func whatIsNoLineIsRefused(content: [UInt8], line number: Int?) throws {
    try directory.write("etc/kernel/cmdline", content)
    let error = thrown(BootEnvironmentError.self) { try line() }
    #expect(error?.path == "/etc/kernel/cmdline" && error?.line == number && error?.hint != nil)
  }

  @Test func noFileAtAllIsAnErrorWithAHint() throws {
    let error = thrown(BootEnvironmentError.self) { try line() }
    #expect(error?.hint?.contains("/etc/kernel/cmdline") == true)
  }
}
