// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct CommandLineSetTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private static let name = "etc/kernel/cmdline"

  private func text(_ name: String = name) throws -> String? {
    try directory.read(name).map { String(decoding: $0, as: UTF8.self) }
  }

  @discardableResult
  private func set(
    _ line: String?, kernel: String? = nil, recorder: MutationRecorder = MutationRecorder(),
    change: (inout CommandLineSet) -> Void = { _ in }
  ) throws -> CommandLineSet.Result {
    try run(line.map { .replace($0) } ?? .discard, kernel: kernel, recorder: recorder, change: change)
  }

  @discardableResult
  private func run(
    _ wanted: CommandLineSet.Change, kernel: String? = nil, recorder: MutationRecorder = MutationRecorder(),
    change: (inout CommandLineSet) -> Void = { _ in }
  ) throws -> CommandLineSet.Result {
    var set = CommandLineSet(wanted, kernel: kernel)
    set.lockTimeout = 0
    change(&set)
    return try set.run(on: directory.host(gate: recorder.gate))
  }

  @Test func theFileIsCreatedIfOnlyTheRunningLineExists() throws {
    try directory.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro initrd=x\n")
    let result = try set("  root=/dev/sda1 ro quiet ")
    #expect(result.isChange && result.errors.isEmpty && result.old == "root=/dev/sda1 ro")
    #expect(result.difference?.added == ["quiet"] && result.difference?.missing == [])
    #expect(try text() == "root=/dev/sda1 ro quiet\n")
  }

  @Test func leadingCommentsAreKept() throws {
    try directory.write(Self.name, "# one\n\n  # two\nroot=/dev/sda1\n# three\nquiet\n")
    try set("root=/dev/sdb1")
    #expect(try text() == "# one\n\n  # two\nroot=/dev/sdb1\n")
    try directory.write(Self.name, "# only")
    try set("root=/dev/sdb1")
    #expect(try text() == "# only\nroot=/dev/sdb1\n")
  }

  @Test func anUnchangedLineIsNotWritten() throws {
    try directory.write(Self.name, "# one\nroot=/dev/sda1\n  quiet")
    let recorder = MutationRecorder()
    let result = try set("root=/dev/sda1 quiet", recorder: recorder)
    #expect(!result.isChange && result.difference?.isEmpty == true)
    // The lock file exists after the first run.
    #expect(recorder.mutations.allSatisfy { $0.path.hasPrefix("/run") })
    #expect(try text() == "# one\nroot=/dev/sda1\n  quiet")
  }

  @Test func aDryRunWritesNothing() throws {
    let recorder = MutationRecorder()
    let result = try set("root=/dev/sda1", recorder: recorder) { $0.isDryRun = true }
    #expect(result.isChange && recorder.mutations.isEmpty)
  }

  @Test(arguments: ["quiet", "root=/dev/sda1 boot=live", "root=/dev/sda1 rd.break", "root=/dev/sda1 a\nb", ""])
  func anInvalidLineIsNotWritten(line: String) throws {
    try directory.write(Self.name, "root=/dev/sda1\n")
    let recorder = MutationRecorder()
    let result = try set(line, recorder: recorder)
    #expect(result.errors.count == 1 && result.hint != nil && !result.isChange && recorder.mutations.isEmpty)
    #expect(try text() == "root=/dev/sda1\n")
  }

  @Test func allProblemsAreReported() throws {
    let result = try set("boot=casper rd.break vga=1 initrd=x")
    #expect(result.errors.count == 3 && result.warnings.count == 1)
    #expect(result.hint?.contains("--force") == true)
  }

  @Test func forceOverridesFindingsButNotInvalidBytes() throws {
    let judged = try set("quiet rd.break") { $0.isForced = true }
    #expect(judged.errors.isEmpty && judged.warnings.count == 2 && judged.isChange)
    #expect(try text() == "quiet rd.break\n")
    let impossible = try set("root=/dev/sda1 \u{1b}") { $0.isForced = true }
    #expect(impossible.errors.count == 1 && impossible.hint?.contains("--force") == false)
    #expect(try text() == "quiet rd.break\n")
  }

  @Test func fragmentsAreCheckedWithTheLine() throws {
    try directory.write("etc/kernel/cmdline.d/a.conf", "single")
    let result = try set("root=/dev/sda1")
    #expect(result.errors.count == 1 && result.errors[0].hasPrefix("/etc/kernel/cmdline.d/a.conf: 'single'"))
    try directory.write("etc/kernel/cmdline.d/a.conf", String(repeating: "a", count: 2040))
    #expect(try set("root=/dev/sda1").errors.first?.contains("2055 bytes") == true)
  }

  @Test func aKernelCanHaveItsOwnLine() throws {
    try directory.write(Self.name, "root=/dev/sda1\n")
    try directory.write("boot/vmlinuz-6.8.12-1-pve", "")
    let path = "etc/kernel/cmdline-6.8.12-1-pve"
    let result = try set("root=/dev/sda1 debug", kernel: "6.8.12-1-pve")
    #expect(result.path == "/\(path)" && result.isChange && result.old == nil && result.warnings.isEmpty)
    #expect(try text(path) == "root=/dev/sda1 debug\n")
    #expect(try text() == "root=/dev/sda1\n")
    #expect(try set("root=/dev/sda1 x").warnings.count == 1)
    let removal = try set(nil, kernel: "6.8.12-1-pve")
    #expect(removal.isChange && removal.old == "root=/dev/sda1 debug" && removal.new == nil)
    #expect(try text(path) == nil)
    #expect(try !set(nil, kernel: "6.8.12-1-pve").isChange)
  }

  @Test func invalidKernelsAreRejected() throws {
    #expect(throws: Failure.self) { try set("root=/dev/sda1", kernel: "../x") }
    #expect(throws: Failure.self) { try set(nil) }
    #expect(try set("root=/dev/sda1", kernel: "6.8.12-9-pve").warnings.count == 2)
  }

  @Test func aFailedWriteChangesNothing() throws {
    try directory.write(Self.name, "root=/dev/sda1\n")
    let count = MutationRecorder()
    try set("root=/dev/sda1 x", recorder: count) { $0.isDryRun = false }
    try directory.write(Self.name, "root=/dev/sda1\n")
    for number in 1...count.mutations.count {
      _ = try? set("root=/dev/sda1 x", recorder: MutationRecorder(.from(number)))
      let left = try text()
      #expect(left == "root=/dev/sda1\n" || left == "root=/dev/sda1 x\n")
      try directory.write(Self.name, "root=/dev/sda1\n")
    }
    #expect(throws: HostError.self) { try set("root=/dev/sda1 x", recorder: MutationRecorder(.only(1))) }
  }

  @Test func anArgumentWithSpacesIsOneWord() throws {
    var set = try CommandLineSet(arguments: ["root=/dev/sda1 ro", "x=a b"])
    set.lockTimeout = 0
    let result = try set.run(on: directory.host())
    #expect(result.errors.isEmpty && result.difference == nil)
    #expect(result.warnings.count == 1 && result.warnings[0].contains("x=\"a b\""))
    #expect(try text() == "root=/dev/sda1 ro x=\"a b\"\n")
  }

  @Test func wordsAreAddedOnce() throws {
    try directory.write(Self.name, "# mine\nroot=/dev/sda1 quiet\n")
    var set = try CommandLineSet(arguments: ["quiet iommu=pt", "x=a b"]) { .add($0) }
    set.lockTimeout = 0
    let result = try set.run(on: directory.host())
    #expect(result.difference?.added == ["iommu=pt", "x=\"a b\""] && result.isChange)
    #expect(result.warnings.contains("the line already contains quiet"))
    #expect(try text() == "# mine\nroot=/dev/sda1 quiet iommu=pt x=\"a b\"\n")
    #expect(try !set.run(on: directory.host()).isChange)
    #expect(
      try run(.add("iommu=off")).warnings == ["the line also contains iommu=pt; most parameters take the last value"])
  }

  @Test func wordsAreRemovedByTextOrName() throws {
    try directory.write(Self.name, "root=/dev/sda1 console=tty0 quiet console=ttyS0 ro\n")
    #expect(try run(.remove(["console=tty0"])).difference?.missing == ["console=tty0"])
    #expect(try text() == "root=/dev/sda1 quiet console=ttyS0 ro\n")
    #expect(try run(.remove(["console", "quiet"])).difference?.missing == ["quiet", "console=ttyS0"])
    let result = try run(.remove(["quiet"]))
    #expect(!result.isChange && result.warnings == ["the line does not contain quiet"])
    #expect(try text() == "root=/dev/sda1 ro\n")
    // This machine could not boot without it.
    #expect(try !run(.remove(["root"])).errors.isEmpty)
    #expect(try text() == "root=/dev/sda1 ro\n")
  }

  @Test func aWordInAFragmentIsNotSilentlyKept() throws {
    try directory.write(Self.name, "root=/dev/sda1\n")
    try directory.write("etc/kernel/cmdline.d/a.conf", "quiet\n")
    let error = thrown(Failure.self) { try run(.remove(["quiet"])) }
    #expect(error?.description == "quiet is in /etc/kernel/cmdline.d/a.conf, not in /etc/kernel/cmdline")
  }

  /// Otherwise a kernel's own line would lack root=.
  @Test func anOverrideStartsFromTheCommonLine() throws {
    try directory.write(Self.name, "root=/dev/sda1\n")
    try directory.write("etc/kernel/cmdline.d/a.conf", "quiet\n")
    try run(.add("nomodeset"), kernel: "6.8.12-9-pve")
    #expect(try text("etc/kernel/cmdline-6.8.12-9-pve") == "root=/dev/sda1 quiet nomodeset\n")
    try run(.remove(["quiet"]), kernel: "6.8.12-9-pve")
    #expect(try text("etc/kernel/cmdline-6.8.12-9-pve") == "root=/dev/sda1 nomodeset\n")
  }

  /// The file would be read as a comment.
  @Test func aLineThatIsACommentIsRejected() throws {
    let result = try set("#root=/dev/sda1") { $0.isForced = true }
    #expect(result.errors.count == 1 && !result.isChange)
  }

  @Test func theBaseLineIsShown() throws {
    #expect(throws: (any Error).self) { try CommandLineBase().run(on: directory.host()) }
    try directory.write("proc/cmdline", "BOOT_IMAGE=x root=/dev/sda1\n")
    try directory.write("etc/kernel/cmdline.d/a.conf", "a")
    #expect(try CommandLineBase().run(on: directory.host()) == .init(line: "root=/dev/sda1", path: "/proc/cmdline"))
    try directory.write(Self.name, "# x\nroot=/dev/sdb1\nquiet\n")
    #expect(try CommandLineBase().run(on: directory.host()).line == "root=/dev/sdb1 quiet")
  }
}
