// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
internal import Messages
import TestSupport
import Testing

@Suite struct ProcessRunnerTests {
  let host: Host
  let directory: TemporaryDirectory
  init() throws {
    host = try Host()
    directory = try TemporaryDirectory()
  }

  private func shell(_ script: String, _ arguments: String...) throws -> Int32 {
    try host.run("sh", arguments: ["-c", script, "sh"] + arguments)
  }

  @Test(arguments: [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + SIGTERM), ("kill -KILL $$", 128 + SIGKILL)])
  func theExitStatusIsReported(script: String, code: Int32) throws { #expect(try shell(script) == code) }

  @Test func argumentsArePassedUnchanged() throws {
    let file = directory.path(of: "arguments")
    #expect(try host.run("/bin/sh", arguments: ["-c", "printf '%s|' \"$@\" >\"$0\"", file, "a b", "", "$HOME;*"]) == 0)
    #expect(try directory.read("arguments") == Array("a b||$HOME;*|".utf8))
  }

  /// cp copies the kernel's links for its own streams.
  @Test func standardStreamsAreRedirected() throws {
    let streams = ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"]
    #expect(try host.run("cp", arguments: ["-P"] + streams + [directory.path]) == 0)
    let targets = try ["0", "1", "2"].map {
      String(decoding: try ExternalTool("readlink").run([directory.path(of: $0)]), as: UTF8.self)
    }
    #expect(targets[0] == "/dev/null\n" && targets[1] == targets[2])
    let own = try ExternalTool("readlink").run(["/proc/\(getpid())/fd/2"])
    #expect(targets[2] == String(decoding: own, as: UTF8.self))
  }

  @Test func openFilesAreNotInherited() throws {
    let lock = try FileSystem(root: directory.path).lock("/lock")
    let file = directory.path(of: "open")
    #expect(try shell("ls -l /proc/$$/fd >\"$1\"", file) == 0)
    let open = String(decoding: try #require(try directory.read("open")), as: UTF8.self)
    withExtendedLifetime(lock) { #expect(open.contains(" 0 -> /dev/null") && !open.contains("/lock")) }
  }

  @Test func blockedSignalsAreUnblockedInTheProcess() throws {
    var (all, mask) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, &mask)
    defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
    #expect(try shell("kill -TERM $$; exit 3") == 128 + SIGTERM)
  }

  @Test func aProgramThatCannotBeStartedIsReported() throws {
    for program in ["/nonexistent/program", "no-program-of-this-name"] {
      #expect(throws: HostError("run", program, errno: ENOENT)) { try host.run(program, arguments: []) }
    }
    try directory.write("file", "no program")
    let file = directory.path(of: "file")
    #expect(throws: HostError("run", file, errno: EACCES)) { try host.run(file, arguments: []) }
  }

  @Test func outputIsCollected() throws {
    let script = "printf out; printf err >&2; readlink /proc/$$/fd/0; exit 3"
    let printed = try host.processes.collect("sh", arguments: ["-c", script])
    #expect(printed == ProcessOutput(status: 3, output: Array("out/dev/null\n".utf8), errors: Array("err".utf8)))
    let much = thrown(HostError.self) {
      try host.processes.collect("head", arguments: ["-c", "100", "/dev/zero"], limit: 99)
    }
    #expect(much?.message == "cannot read head: it is larger than 99 bytes")
  }

  @Test func theRunnerCanBeReplacedInTests() throws {
    var host = host
    host.processes = ProcessRunner { program, arguments in program == "x" && arguments == ["y"] ? 42 : 0 }
    #expect(try host.run("x", arguments: ["y"]) == 42)
  }
}
