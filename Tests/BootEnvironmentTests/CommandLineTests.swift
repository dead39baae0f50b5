// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
internal import Messages
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
  func linesOfTheFileAreJoined(content: String, wanted: String) throws {
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

  @Test func fragmentsAreAppendedInByteOrder() throws {
    try directory.write("etc/kernel/cmdline", "root=/dev/sda1 ro\n")
    try directory.write("etc/kernel/cmdline.d/20-b.conf", "b\n# no word\n c \n")
    try directory.write("etc/kernel/cmdline.d/10-a.conf", "a")
    try directory.write("etc/kernel/cmdline.d/Z.conf", "Z")
    try directory.write("etc/kernel/cmdline.d/30-empty.conf", "# nothing\n")
    for name in ["a.conf~", ".hidden.conf", "a.conf.dpkg-new", "README"] {
      try directory.write("etc/kernel/cmdline.d/\(name)", "wrong")
    }
    #expect(try line().text == "root=/dev/sda1 ro a b c Z")
    #expect(
      try line().parts.map(\.path) == [
        "/etc/kernel/cmdline", "/etc/kernel/cmdline.d/10-a.conf", "/etc/kernel/cmdline.d/20-b.conf",
        "/etc/kernel/cmdline.d/Z.conf",
      ])
  }

  /// The running command line already contains the fragments and would grow with each boot.
  @Test func fragmentsAreNotAddedTwice() throws {
    try directory.write("etc/kernel/cmdline.d/a.conf", "quiet iommu=pt")
    try directory.write("proc/cmdline", "root=/dev/sda1 quiet ro\n")
    let first = try line().text
    #expect(first == "root=/dev/sda1 ro quiet iommu=pt")
    try directory.write("proc/cmdline", first)
    #expect(try line().text == first)
  }

  @Test func anInvalidFragmentIsReported() throws {
    try directory.write("etc/kernel/cmdline", "root=/dev/sda1")
    try directory.write("etc/kernel/cmdline.d/a.conf", "ok\nb\u{7}")
    let error = thrown(BootEnvironmentError.self) { try line() }
    #expect(error?.path == "/etc/kernel/cmdline.d/a.conf" && error?.line == 2)
  }

  @Test func aKernelsOwnLineReplacesTheSharedOne() throws {
    let kernel = try #require(Kernel(release: "6.8.12-1-pve"))
    let other = try #require(Kernel(release: "6.8.12-10-pve"))
    try directory.write("etc/kernel/cmdline", "root=/dev/sda1")
    try directory.write("etc/kernel/cmdline.d/a.conf", "a")
    try directory.write("etc/kernel/cmdline-6.8.12-1-pve", "# mine\nroot=/dev/sdb1")
    let files = try directory.host().files
    #expect(try CommandLine(of: files, for: kernel).text == "root=/dev/sdb1")
    #expect(try CommandLine(of: files, for: other).text == "root=/dev/sda1 a")
    #expect(try CommandLine.overriddenKernels(in: files) == [kernel])
    let lines = try CommandLines(of: files, for: [kernel, other])
    #expect(try lines.line(for: kernel).path == "/etc/kernel/cmdline-6.8.12-1-pve")
    #expect(lines.lines(for: [kernel, other]).map(\.text) == ["root=/dev/sdb1", "root=/dev/sda1 a"])
  }

  @Test func anInvalidLineAffectsOnlyItsKernel() throws {
    let kernel = try #require(Kernel(release: "6.8.12-1-pve"))
    let other = try #require(Kernel(release: "6.8.12-2-pve"))
    try directory.write("etc/kernel/cmdline", "root=/dev/sda1")
    try directory.write("etc/kernel/cmdline-6.8.12-1-pve", "\n")
    let files = try directory.host().files
    let broken = try CommandLines(of: files, for: [kernel, other])
    let path = "/etc/kernel/cmdline-6.8.12-1-pve"
    #expect(thrown(BootEnvironmentError.self) { try broken.line(for: kernel) }?.path == path)
    #expect(try broken.line(for: other).text == "root=/dev/sda1")
    try directory.write("etc/kernel/cmdline", "")
    try directory.write("etc/kernel/cmdline-6.8.12-1-pve", "root=/dev/sdb1")
    let mended = try CommandLines(of: files, for: [kernel, other])
    #expect(try mended.line(for: kernel).text == "root=/dev/sdb1")
    #expect(thrown(BootEnvironmentError.self) { try mended.line(for: other) }?.path == "/etc/kernel/cmdline")
    #expect(throws: BootEnvironmentError.self) { try CommandLines(of: files, for: [other]) }
    #expect(throws: Never.self) { try CommandLines(of: files, for: []) }
  }

  @Test(
    arguments: [
      ([], nil), ([0x0a, 0x20, 0x0a], nil), (Array("# only\n".utf8), nil), (Array("a\nroot=\u{0}x".utf8), 2),
      (Array("a\r\n".utf8), 1), (Array("\u{1b}[2J".utf8), 1), ([0x61, 0xff], nil),
    ] as [([UInt8], Int?)])
  func invalidLinesAreRejected(content: [UInt8], line number: Int?) throws {
    try directory.write("etc/kernel/cmdline", content)
    let error = thrown(BootEnvironmentError.self) { try line() }
    #expect(error?.path == "/etc/kernel/cmdline" && error?.line == number && error?.hint != nil)
  }

  /// Windows line ends, a byte order mark, Latin-1, a byte that the kernel takes for a space, an open quotation mark.
  @Test(
    arguments: [
      (Array("root=/dev/sda1\r\nquiet\r\n".utf8), "line 1: contains the control character 13", "sed -i"),
      ([0xef, 0xbb, 0xbf] + Array("root=/dev/sda1\n".utf8), "byte order mark", "plain text"),
      (Array("root=LABEL=W".utf8) + [0xfc, 0x0a], "not UTF-8", "plain text"),
      (Array("root=/dev/sda1 x=\u{e0}\n".utf8), "splits the word there", "plain text"),
      (Array("root=/dev/sda1 x=\"a b\nquiet\n".utf8), "quotation mark", "plain text"),
    ] as [([UInt8], String, String)])
  func filesHaveTheRulesOfArguments(content: [UInt8], reason: String, hint: String) throws {
    for name in ["cmdline", "cmdline.d/a.conf", "cmdline-6.8.12-1-pve"] {
      let error = thrown(BootEnvironmentError.self) { try CommandLine.part("/etc/kernel/\(name)", content) }
      #expect(
        error?.description.contains(reason) == true && error?.description.hasPrefix("/etc/kernel/\(name)") == true)
      #expect(error?.hint?.contains(hint) == true)
    }
  }

  @Test func aMissingFileIsAnErrorWithAHint() throws {
    let error = thrown(BootEnvironmentError.self) { try line() }
    #expect(error?.hint?.contains("/etc/kernel/cmdline") == true)
  }
}
