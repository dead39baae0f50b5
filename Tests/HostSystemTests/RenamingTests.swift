// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
internal import Messages
import TestSupport
import Testing

@Suite struct RenamingTests {
  let directory: TemporaryDirectory
  let files: FileSystem
  let recorder = MutationRecorder()
  init() throws {
    directory = try TemporaryDirectory()
    files = try FileSystem(root: directory.path, gate: recorder.gate)
    try directory.write("esp/a", "A")
    try directory.write("esp/b", "B")
  }

  private func contents() throws -> [String: String] {
    var found: [String: String] = [:]
    for name in try directory.list("esp") { found[name] = try files.readTextIfPresent("/esp/\(name)") }
    return found
  }

  @Test func renamingReplacesTheTarget() throws {
    try files.rename("/esp/a", to: "/esp/b")
    #expect(try contents() == ["b": "A"])
    // The directory, then the file.
    #expect(recorder.mutations.map(\.kind) == [.rename, .synchronize, .synchronize])
    #expect(recorder.mutations.allSatisfy { $0.path == "/esp/a" })
    #expect(throws: HostError("rename", directory.path(of: "esp/none"), errno: ENOENT)) {
      try files.rename("/esp/none", to: "/esp/c")
    }
  }

  @Test func namesAreExchanged() throws {
    #expect(try files.exchange("/esp/a", "/esp/b"))
    #expect(try contents() == ["a": "B", "b": "A"])
    // Both files, then the directory.
    #expect(recorder.mutations.map(\.kind) == [.exchange, .synchronize, .synchronize, .synchronize])
    #expect(recorder.mutations.allSatisfy { $0.path == "/esp/a" })
    #expect(throws: HostError("exchange", directory.path(of: "esp/a"), errno: ENOENT)) {
      try files.exchange("/esp/a", "/esp/none")
    }
  }

  /// The gate throws errors instead of the system.
  @Test(arguments: [EINVAL, ENOSYS]) func anUnsupportedExchangeReturnsFalse(number: Int32) throws {
    let files = try FileSystem(root: directory.path) { mutation in
      if mutation.kind == .exchange { throw HostError("exchange", mutation.path, errno: number) }
    }
    #expect(try !files.exchange("/esp/a", "/esp/b"))
    #expect(try contents() == ["a": "A", "b": "B"])
  }

  @Test func aFailureAtAnyStepIsThrown() throws {
    for (number, names) in [(1, ["a": "A", "b": "B"]), (2, ["a": "B", "b": "A"])] {
      let files = try FileSystem(root: directory.path, gate: MutationRecorder(.only(number)).gate)
      #expect(throws: HostError.self) { try files.exchange("/esp/a", "/esp/b") }
      #expect(try contents() == names)
    }
    for (number, names) in [(1, ["a": "B", "b": "A"]), (2, ["b": "B"])] {
      let files = try FileSystem(root: directory.path, gate: MutationRecorder(.only(number)).gate)
      #expect(throws: HostError.self) { try files.rename("/esp/a", to: "/esp/b") }
      #expect(try contents() == names)
    }
  }

  @Test(arguments: ["/b", "/esp/x/b", "/esp/..", "/esp/b/."]) func bothNamesMustBeInOneDirectory(other: String) throws {
    #expect(throws: HostError.self) { try files.rename("/esp/a", to: other) }
    #expect(throws: HostError.self) { try files.exchange("/esp/a", other) }
    #expect(recorder.mutations.isEmpty)
  }
}

@Suite struct SubtreeTests {
  @Test func linksCannotLeaveTheSubtree() throws {
    let directory = try TemporaryDirectory()
    try directory.write("outside", "outside")
    try directory.write("mnt/esp/EFI/x", "x")
    for target in ["../../../outside", "/outside", directory.path(of: "outside"), "/proc/self/root/etc/passwd"] {
      let link = directory.path(of: "mnt/esp/link")
      unlink(link)
      symlink(target, link)
      let esp = try FileSystem(root: directory.path).subtree("/mnt/esp")
      #expect(try esp.readTextIfPresent("/link") == nil, "\(target)")
      #expect(try esp.readTextIfPresent("/../../outside") == nil)
      #expect(try esp.readTextIfPresent("/EFI/x") == "x")
    }
  }

  @Test func pathsAreShownRelativeToTheOuterRoot() throws {
    let directory = try TemporaryDirectory()
    try directory.write("mnt/esp/f", "x")
    let recorder = MutationRecorder()
    let files = try FileSystem(root: directory.path, gate: recorder.gate)
    let esp = try files.subtree("/mnt/").subtree("esp")
    #expect(esp.display("/f") == directory.path(of: "mnt/esp/f"))
    #expect(throws: HostError("open", directory.path(of: "mnt/esp/none"), errno: ENOENT)) { try esp.openFile("/none") }
    try esp.remove("/f")
    #expect(recorder.mutations == [Mutation(.remove, "/mnt/esp/f"), Mutation(.synchronize, "/mnt/esp/f")])
    #expect(throws: HostError("open", directory.path(of: "none"), errno: ENOENT)) { try files.subtree("/none") }
    #expect(throws: HostError("open", "/etc/hostname", errno: ENOTDIR)) { try FileSystem().subtree("/etc/hostname") }
  }

  @Test func aSubtreeFollowsItsRenamedDirectory() throws {
    let directory = try TemporaryDirectory()
    try directory.write("esp/f", "x")
    let esp = try FileSystem(root: directory.path).subtree("/esp")
    rename(directory.path(of: "esp"), directory.path(of: "moved"))
    #expect(try esp.readTextIfPresent("/f") == "x")
  }
}
