// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
internal import Messages
import TestSupport
import Testing

/// The programs that read the command line in real initrds, from Debian's packages.
@Suite struct InitrdRulesTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  enum Maker: String, CaseIterable { case initramfsTools = "usr/sbin/mkinitramfs", dracut = "usr/bin/dracut" }

  private func findings(_ text: String, _ makers: [Maker]) throws -> [String] {
    for maker in makers { try directory.write(maker.rawValue, "") }
    let line = CommandLine(parts: [CommandLine.Part(path: CommandLine.filePath, text: text)])
    return try CommandLineRules(lengthLimit: 2047, host: directory.host()).findings(in: line, namedLike: line.path).map
    {
      "\($0.severity): \($0)"
    }
  }

  /// The variables of the loop in initramfs-tools' init that a line sets, as `NAME=value`.
  private func initramfsTools(_ line: String, suite: String) throws -> [String] {
    let script = """
      cat() { printf %s "$LINE"; }
      list_filter_out() { printf %s "$1"; }
      eval "$(sed -n '/^for x in $(cat .proc.cmdline)/,/^done/p' "$1")"
      set
      """
    let set = try ExternalTool("env").run([
      "-i", "LINE=\(line)", "sh", "-c", script, "sh", Fixture.path(of: "initramfs-init-\(suite)"),
    ])
    return String(decoding: set, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// The value that dracut reads for a parameter.
  private func dracut(_ name: String, in line: String, suite: String) throws -> String {
    try ExternalTool("ln").run(["-sf", Fixture.path(of: "dracut-util-\(suite)"), directory.path(of: "dracut-getarg")])
    let answer = try ExternalTool("env").run(["CMDLINE=\(line)", directory.path(of: "dracut-getarg"), "\(name)="])
    return String(String(decoding: answer, as: UTF8.self).prefix { $0 != "\n" })
  }

  /// A line, a parameter, and its value for the kernel (`next_arg` in lib/cmdline.c).
  private static let quoted = [
    ("root=\"UUID=0a3407de-014b-458b-b5c1-848e92a327a3\" ro", "root", "UUID=0a3407de-014b-458b-b5c1-848e92a327a3"),
    ("\"root=UUID=0a3407de-014b-458b-b5c1-848e92a327a3\" ro", "root", "UUID=0a3407de-014b-458b-b5c1-848e92a327a3"),
    ("root=\"LABEL=my root\" ro", "root", "LABEL=my root"), ("\"root=LABEL=my root\" ro", "root", "LABEL=my root"),
    ("root=/dev/sda1 rootflags=\"subvol=a b\"", "rootflags", "subvol=a b"),
    ("root=rpool/ROOT/pve-1 boot=\"zfs\"", "boot", "zfs"), ("root=/dev/sda1 panic=\"10\"", "panic", "10"),
    ("root=/dev/sda1 rootdelay=\"5\"", "rootdelay", "5"), ("root=/dev/sda1 ip=\"dhcp\"", "ip", "dhcp"),
    ("root=/dev/sda1 resume=\"/dev/sdb2\"", "resume", "/dev/sdb2"),
    ("root=/dev/sda1 \"rootfstype=ext4\"", "rootfstype", "ext4"),
    ("root=/dev/sda1 init=\"/sbin/init\"", "init", "/sbin/init"),
  ]

  @Test(arguments: quoted, ["bookworm", "trixie"])
  func initramfsToolsCannotReadQuotationMarks(row: (line: String, name: String, value: String), suite: String) throws {
    let variables = try initramfsTools(row.line, suite: suite)
    #expect(
      !variables.contains { $0.uppercased().hasPrefix("\(row.name.uppercased())=") && $0.hasSuffix("'\(row.value)'") })
    for makers in [[], [Maker.initramfsTools], Maker.allCases] {
      let found = try findings(row.line, makers)
      #expect(found.count == 1 && found[0].hasPrefix("error: initramfs-tools cannot read '"), "\(found)")
    }
  }

  @Test(arguments: quoted, ["bookworm", "trixie"])
  func dracutCanReadQuotationMarks(row: (line: String, name: String, value: String), suite: String) throws {
    #expect(try dracut(row.name, in: row.line, suite: suite) == row.value)
    let found = try findings(row.line, [.dracut])
    #expect(found.count == 1 && found[0].hasPrefix("warning: only initrds made by dracut can read '"), "\(found)")
  }

  /// The same loop reads these lines as the kernel does.
  @Test(arguments: [
    ("root=UUID=0a3407de ro quiet", ["ROOT='UUID=0a3407de'", "readonly='y'"]),
    ("root=/dev/sda1 dyndbg=\"file a.c +p; file b.c +p\" x=1", ["ROOT='/dev/sda1'"]),
    ("root=ZFS=rpool/ROOT/pve-1 boot=zfs acpi_osi=\"Windows 2020\"", ["ROOT='ZFS=rpool/ROOT/pve-1'", "BOOT='zfs'"]),
  ])
  func quotationMarksElsewhereAreFine(line: String, wanted: [String]) throws {
    for suite in ["bookworm", "trixie"] {
      let variables = try initramfsTools(line, suite: suite)
      #expect(wanted.allSatisfy(variables.contains), "\(variables)")
    }
    #expect(try findings(line, [.initramfsTools]).isEmpty)
  }

  /// Within quotation marks a word is no parameter to the kernel, but it is to initramfs-tools.
  @Test(arguments: [
    ("dyndbg=\"file init=/bin/sh +p\"", "init='/bin/sh'"), ("x=\"a root=/dev/sdb\"", "ROOT='/dev/sdb\"'"),
    ("\"x root=/dev/sdb y\"", "ROOT='/dev/sdb'"), ("x=\"a\tboot=nfs b\"", "BOOT='nfs'"),
    ("x=\"a break b\"", "break='premount'"),
  ])
  func parametersWithinQuotationMarksAreFound(word: String, variable: String) throws {
    let line = "root=/dev/sda1 \(word)"
    for suite in ["bookworm", "trixie"] {
      #expect(try initramfsTools(line, suite: suite).contains(variable))
    }
    let found = try findings(line, [.initramfsTools])
    #expect(found.count == 1 && found[0].hasPrefix("error: initramfs-tools reads '"), "\(found)")
    try ExternalTool("rm").run([directory.path(of: Maker.initramfsTools.rawValue)])
    #expect(try findings(line, [.dracut]).isEmpty)
  }
}
