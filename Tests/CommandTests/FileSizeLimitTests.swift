// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostScenes
import TestSupport
import Testing

/// Promise I7: a limit for the size of files is an error, as a full file system is, and does not end the program.
@Suite struct FileSizeLimitTests {
  private func limited(_ program: String, _ arguments: [String]) throws -> ExternalTool.Result {
    // Bytes: more than messages have, less than a key.
    let tool = try ExternalTool.built(program).name
    return try ExternalTool("env").result(["LC_ALL=C", "prlimit", "--fsize=1024", tool] + arguments)
  }

  @Test func keysCreateFailsAndLeavesNothing() throws {
    let root = try TemporaryDirectory()
    let result = try limited("pve-sb-uki", ["--root", root.path, "keys", "create"])
    #expect(result.status == 1 && result.errors.contains("File too large\nhint: run 'ulimit -f unlimited'"))
    #expect(try root.list("etc/pve-sb-uki").isEmpty)
  }

  @Test func applyFailsAndLeavesNoPiece() throws {
    let scene = try ApplyScene()
    let result = try limited("pve-sb-uki", ["--root", scene.directory.path, "apply"])
    #expect(result.status == 1 && result.errors.contains("File too large"))
    #expect(try scene.imageNames().isEmpty)
  }

  @Test func theRepackerSurvivesToo() throws {
    let tool = try ExternalTool.built("pve-sb-uki-repack").name
    // Standard output is a file.
    let result = try ExternalTool("prlimit").result(["--fsize=0", tool, "--version"])
    // Not 128 + SIGXFSZ.
    #expect(result.status < 128)
  }
}
