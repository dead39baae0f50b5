// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct TerminalTests {
  @Test func withoutATerminalNoQuestionIsAsked() throws {
    let terminal = Terminal(isThere: { false }, readLine: { "yes" })
    #expect(try terminal.ask("? ") == nil)
  }

  @Test func theAnswerIsOneLine() throws {
    let terminal = Terminal(isThere: { true }, readLine: { "g" })
    #expect(try terminal.ask("") == "g")
  }

  @Test func anInteractiveProgramInheritsTheTerminal() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path(of: "streams")
    // The streams of this process are not a terminal, and the other process inherits them.
    let code = try Host().processes.interact(
      "/bin/sh", arguments: ["-c", "readlink /proc/$$/fd/0 /proc/$$/fd/1 >\"$0\" 2>&1; exit 9", file])
    #expect(code == 9)
    let input = String(decoding: try ExternalTool("readlink").run(["/proc/\(getpid())/fd/0"]), as: UTF8.self)
    #expect(try directory.read("streams")?.starts(with: input.utf8) == true)
  }

  /// Ctrl-C while the other program runs ends only that program.
  @Test func anInterruptEndsOnlyTheOtherProgram() throws {
    let host = try Host()
    let parent = getpid()
    #expect(
      try host.processes.interact("/bin/sh", arguments: ["-c", "kill -INT \(parent); kill -INT $$; exit 1"]) == 130)
    #expect(try host.processes.interact("/bin/sh", arguments: ["-c", "kill -QUIT $$"]) == 128 + SIGQUIT)
  }
}
