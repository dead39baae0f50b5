// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostCommands
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct CommandLineEditTests {
  let directory: TemporaryDirectory
  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("etc/kernel/cmdline", "# mine\nroot=/dev/sda1\n")
  }

  /// The arguments of the editor, and what it writes in each call; nil leaves the file unchanged.
  private final class Editor: @unchecked Sendable {
    var calls: [[String]] = []
    var seen: [String] = []
    var modes: [UInt32] = []
    var texts: [String?]
    var code: Int32 = 0
    init(_ texts: [String?]) { self.texts = texts }

    func run(_ program: String, _ arguments: [String]) throws -> Int32 {
      calls.append([program] + arguments)
      let path = arguments.last ?? ""
      seen.append(String(decoding: try FileSystem().readFile(path, limit: 1 << 16), as: UTF8.self))
      modes.append(try FileSystem().status(of: path)?.mode ?? 0)
      if !texts.isEmpty, let text = texts.removeFirst() {
        try FileSystem().replaceFile(path, mode: 0o644, content: Array(text.utf8))
        try FileSystem().replaceFile(path + "~", content: [])
      }
      return code
    }
  }

  private func host(_ editor: Editor, _ recorder: MutationRecorder = MutationRecorder()) throws -> Host {
    var host = try directory.host(gate: recorder.gate)
    host.environment = { $0 == "EDITOR" ? "edit -x" : nil }
    host.processes = ProcessRunner { _, _ in
      99
    } interact: {
      try editor.run($0, $1)
    }
    host.terminal = Terminal(isThere: { true }, readLine: { nil })
    return host
  }

  private func edit(
    _ host: Host, kernel: String? = nil, isForced: Bool = false, again: (CommandLineSet.Result) -> Bool = { _ in false }
  ) throws -> CommandLineSet.Result {
    var edit = CommandLineEdit(kernel: kernel)
    edit.lockTimeout = 0
    edit.isForced = isForced
    return try edit.run(on: host, editAgain: again)
  }

  private func text(_ name: String = "etc/kernel/cmdline") throws -> String? {
    try directory.read(name).map { String(decoding: $0, as: UTF8.self) }
  }

  /// No working copy, backup or lock file of an editor remains.
  private func requireNoLeftovers() throws { #expect(try directory.list("run/pve-sb-uki").allSatisfy { $0 == "lock" }) }

  @Test func theEditedTextIsWrittenUnchanged() throws {
    let editor = Editor(["# mine\nroot=/dev/sda1\n# more\nquiet\n"])
    let result = try edit(host(editor))
    #expect(result.isChange && result.difference?.added == ["quiet"])
    #expect(try text() == "# mine\nroot=/dev/sda1\n# more\nquiet\n")
    #expect(editor.seen == ["# mine\nroot=/dev/sda1\n"] && editor.modes == [0o600])
    #expect(editor.calls[0].dropLast() == ["/bin/sh", "-c", "edit -x \"$@\"", "edit -x"])
    try requireNoLeftovers()
  }

  @Test func theEditedCopyIsPrivate() throws {
    let editor = Editor([nil])
    let host = try host(editor)
    _ = try edit(host)
    let path = try #require(editor.calls.first?.last)
    #expect(path.hasPrefix(directory.path(of: "run/pve-sb-uki/")) && path.hasSuffix("/cmdline"))
    let other = Editor([nil])
    _ = try edit(self.host(other))
    #expect(other.calls.first?.last != path)
  }

  @Test func nothingIsWrittenWithoutAChange() throws {
    let recorder = MutationRecorder()
    let result = try edit(host(Editor([nil]), recorder))
    #expect(!result.isChange && result.errors.isEmpty)
    #expect(recorder.mutations.allSatisfy { !$0.path.hasPrefix("/etc") })
    try directory.write("proc/cmdline", "root=/dev/sdb1\n")
    unlink(directory.path(of: "etc/kernel/cmdline"))
    let editor = Editor([nil])
    #expect(try !edit(host(editor)).isChange && text() == nil)
    #expect(editor.seen == ["root=/dev/sdb1\n"])
  }

  @Test func anInvalidLineIsEditedAgain() throws {
    let editor = Editor(["quiet\n", "root=/dev/sda1 a\u{7}\n", "root=/dev/sda1 right\n"])
    var refused: [CommandLineSet.Result] = []
    let result = try edit(host(editor)) { result in
      refused.append(result)
      return true
    }
    #expect(refused.map(\.errors.count) == [1, 1] && refused.allSatisfy { $0.hint != nil })
    #expect(refused[1].errors[0].contains("control character 7"))
    #expect(editor.seen == ["# mine\nroot=/dev/sda1\n", "quiet\n", "root=/dev/sda1 a\u{7}\n"])
    #expect(try result.isChange && text() == "root=/dev/sda1 right\n")
  }

  @Test func cancellingAfterAnInvalidLineChangesNothing() throws {
    let result = try edit(host(Editor(["quiet\n"])))
    #expect(!result.errors.isEmpty && !result.isChange)
    #expect(try text() == "# mine\nroot=/dev/sda1\n")
    try requireNoLeftovers()
    #expect(try edit(host(Editor(["quiet\n"])), isForced: true).isChange && text() == "quiet\n")
  }

  @Test(arguments: [1, 127, 128 + SIGKILL, 128 + SIGHUP])
  func aFailingEditorChangesNothing(code: Int32) throws {
    let editor = Editor(["root=/dev/sda1 half\n"])
    editor.code = code
    let error = thrown(Failure.self) { try edit(host(editor)) }
    #expect(error?.description.contains("the command line is unchanged") == true)
    #expect(try text() == "# mine\nroot=/dev/sda1\n")
    try requireNoLeftovers()
  }

  @Test func concurrentChangesAreNotLost() throws {
    let editor = Editor(["root=/dev/sda1 mine\n"])
    var host = try host(editor)
    let directory = directory
    host.processes = ProcessRunner { _, _ in
      99
    } interact: {
      try directory.write("etc/kernel/cmdline", "root=/dev/sda1 theirs\n")
      return try editor.run($0, $1)
    }
    let error = try #require(thrown(Failure.self) { try edit(host) })
    #expect(error.description.contains("another process"))
    #expect(try text() == "root=/dev/sda1 theirs\n")
    let kept = directory.path(of: "run/pve-sb-uki/cmdline.edited")
    #expect(error.hint?.contains(kept) == true)
    #expect(try FileSystem().readFile(kept, limit: 1 << 16) == Array("root=/dev/sda1 mine\n".utf8))
  }

  @Test func aKernelsOwnLineStartsFromTheSharedOne() throws {
    try directory.write("etc/kernel/cmdline.d/a.conf", "a")
    let editor = Editor(["root=/dev/sda1 own\n"])
    #expect(try edit(host(editor), kernel: "6.8.12-1-pve").isChange)
    #expect(editor.seen == ["root=/dev/sda1 a\n"])
    #expect(try text("etc/kernel/cmdline-6.8.12-1-pve") == "root=/dev/sda1 own\n")
  }

  @Test func editorsAreTriedInOrder() throws {
    let editor = Editor([nil])
    var host = try host(editor)
    host.environment = { ["VISUAL": "vi", "EDITOR": "ed"][$0] }
    _ = try edit(host)
    #expect(editor.calls.last?[2] == "vi \"$@\"")
    host.environment = { ["VISUAL": ""][$0] }
    host.processes = ProcessRunner { _, _ in
      99
    } interact: { program, arguments in
      if program == "editor" { throw HostError("run", program, errno: ENOENT) }
      return try editor.run(program, arguments)
    }
    _ = try edit(host)
    #expect(editor.calls.last?.first == "sensible-editor")
    host.processes = ProcessRunner { _, _ in
      99
    } interact: { program, _ in
      throw HostError("run", program, errno: ENOENT)
    }
    #expect(thrown(Failure.self) { try edit(host) }?.hint?.contains("EDITOR") == true)
  }

  @Test func editingRequiresATerminal() throws {
    var host = try host(Editor([nil]))
    host.terminal = Terminal(isThere: { false }, readLine: { nil })
    #expect(thrown(Failure.self) { try edit(host) }?.hint?.contains("cmdline set") == true)
  }
}
