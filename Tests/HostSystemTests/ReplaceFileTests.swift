// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Glibc
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct ReplaceFileTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private let old = [UInt8]("old content".utf8)
  private let new = [UInt8](repeating: 7, count: 300_000)

  private func replace(_ recorder: MutationRecorder) throws {
    let files = try FileSystem(root: directory.path, gate: recorder.gate)
    try files.replaceFile("/esp/image.efi", mode: 0o640) { file throws in
      try file.write([0, 0] + new[2...])
      try file.patch(Array(new[..<2]), at: 0)
    }
  }

  /// Nothing may be unlinked before an exchange is on disk, so after a failure there, the old file still has the
  /// temporary name.
  @Test func aFailureLeavesTheOldOrNewFileAndNoTemporary() throws {
    for number in 1... {
      try directory.write("esp/image.efi", old)
      let recorder = MutationRecorder(.only(number))
      var failed = false
      do { try replace(recorder) } catch { failed = true }
      let content = try directory.read("esp/image.efi")
      #expect(content == old || content == new, "change \(number)")
      let isExchanged = recorder.mutations.contains { $0.kind == .exchange } && content == new
      for name in try directory.list("esp") where name != "image.efi" {
        #expect(isExchanged && TemporaryName.matches(name), "change \(number)")
        #expect(try directory.read("esp/\(name)") == old, "change \(number)")
        unlink(directory.path(of: "esp/\(name)"))
      }
      if !failed {
        #expect(content == new)
        #expect(recorder.mutations.count == number - 1)
        #expect(number > 6)
        break
      }
    }
  }

  /// The handler shows that the signal is delivered in the end.
  @Test func aTerminationSignalLeavesNoTemporary() throws {
    try directory.write("esp/image.efi", old)
    let before = signal(SIGHUP) { _ in ReplaceFileTests.signals.pointee += 1 }
    // The threads that tests run on block all signals.
    var (hangUp, mask) = (sigset_t(), sigset_t())
    sigaddset(&hangUp, SIGHUP)
    pthread_sigmask(SIG_UNBLOCK, &hangUp, &mask)
    defer {
      pthread_sigmask(SIG_SETMASK, &mask, nil)
      signal(SIGHUP, before)
    }
    let error = thrown(HostError.self) {
      try FileSystem(root: directory.path).replaceFile("/esp/image.efi") { file in
        try file.write(Array(new[..<100]))
        raise(SIGHUP)
        #expect(ReplaceFileTests.signals.pointee == 0)
        try file.write(Array(new[100...]))
      }
    }
    #expect(error?.detail == "interrupted by a signal")
    #expect(ReplaceFileTests.signals.pointee == 1)
    #expect(try directory.read("esp/image.efi") == old)
    #expect(try directory.list("esp") == ["image.efi"])
    // An ignored signal, as with nohup, does not stop the write.
    signal(SIGHUP, SIG_IGN)
    try FileSystem(root: directory.path).replaceFile("/esp/image.efi") { file in
      raise(SIGHUP)
      try file.write(new)
    }
    #expect(try directory.read("esp/image.efi") == new)
  }

  nonisolated(unsafe) private static let signals: UnsafeMutablePointer<Int> = {
    let counter = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    counter.initialize(to: 0)
    return counter
  }()

  @Test func aPowerCutLeavesTheOldOrNewFile() throws {
    let whole = MutationRecorder()
    try directory.write("esp/image.efi", old)
    try replace(whole)
    for number in 1...whole.mutations.count {
      try directory.write("esp/image.efi", old)
      #expect(throws: HostError.self) { try replace(MutationRecorder(.from(number))) }
      let content = try directory.read("esp/image.efi")
      #expect(content == old || content == new, "change \(number)")
    }
  }

  @Test func modeIsExactAndTheTemporaryIsPrivate() throws {
    try directory.write("esp/image.efi", old)
    try replace(MutationRecorder())
    let files = FileSystem()
    #expect(try files.status(of: directory.path(of: "esp/image.efi"))?.mode == 0o640)
    try files.replaceFile(directory.path(of: "secret"), mode: 0o600) { file in
      try file.write([1])
      let names = try directory.list("").filter { TemporaryName.matches($0) }
      #expect(names.count == 1)
      for name in names { #expect(try files.status(of: directory.path(of: name))?.mode == 0o600) }
    }
  }

  @Test func contentThatFailsVerificationIsNotInstalled() throws {
    try directory.write("image.efi", old)
    let files = try FileSystem(root: directory.path)
    #expect(throws: HostError("verify", "image", errno: EBADMSG)) {
      try files.replaceFile("/image.efi", mode: 0o644) { file in
        #expect(try file.readToEnd(limit: 10) == [1, 2, 3])
        throw HostError("verify", "image", errno: EBADMSG)
      } writing: {
        try $0.write([1, 2, 3])
      }
    }
    #expect(try directory.read("image.efi") == old)
    #expect(try directory.list("") == ["image.efi"])
  }

  @Test func linksAndDirectoriesAreRejected() throws {
    try directory.write("target", old)
    symlink("target", directory.path(of: "link"))
    mkdir(directory.path(of: "directory"), 0o755)
    mkfifo(directory.path(of: "fifo"), 0o600)
    for name in ["link", "directory", "fifo"] {
      #expect(throws: HostError.self) { try FileSystem().replaceFile(directory.path(of: name), content: [1]) }
    }
    #expect(try directory.read("target") == old)
  }

  /// The name of the temporary file means nothing to the user.
  @Test func errorsNameTheFinalPath() throws {
    let path = directory.path(of: "image.efi")
    func temporary() throws -> String {
      directory.path(of: try #require(try directory.list("").first { TemporaryName.matches($0) }))
    }
    for operation in ["create", "replace"] as [Message] {
      #expect(throws: HostError(operation, path, errno: ENOENT)) {
        try FileSystem().replaceFile(path) { _ in unlink(try temporary()) }
      }
      try directory.write("image.efi", old)
    }
    #expect(throws: HostError("replace", path, errno: ELOOP)) {
      try FileSystem().replaceFile(path) { _ in
        let name = try temporary()
        unlink(name)
        symlink("image.efi", name)
      }
    }
    #expect(try directory.list("") == ["image.efi"])
    let files = FileSystem(gate: { if $0.kind == .remove { unlink($0.path) } })
    #expect(throws: HostError("remove the old version of", path, errno: ENOENT)) {
      try files.replaceFile(path, content: new)
    }
    #expect(try directory.read("image.efi") == new)
  }

  @Test func errorsInANewDirectoryNameTheFinalPath() throws {
    let keys = directory.path(of: "keys")
    #expect(throws: HostError("open", keys, errno: ENOENT)) {
      try FileSystem().makeCompleteDirectory(keys) { temporary in
        rmdir(temporary)
        try FileSystem().replaceFile("\(temporary)/PK.key", content: [1])
      }
    }
    #expect(throws: HostError("open", "\(keys)/GUID", errno: ENOENT)) {
      try FileSystem().makeCompleteDirectory(keys) { try FileSystem().readFile("\($0)/GUID", limit: 100) }
    }
  }

  @Test func equalContentIsNotWrittenAgain() throws {
    let recorder = MutationRecorder()
    let files = try FileSystem(root: directory.path, gate: recorder.gate)
    #expect(try files.replaceFile("/a", mode: 0o600, content: [1, 2]))
    let count = recorder.mutations.count
    #expect(try !files.replaceFile("/a", mode: 0o600, content: [1, 2]))
    #expect(recorder.mutations.count == count)
    #expect(try files.replaceFile("/a", mode: 0o600, content: [1, 3]))
    #expect(try directory.read("a") == [1, 3])
  }

  @Test func aMissingDirectoryIsReported() throws {
    let path = directory.path(of: "none/file")
    #expect(throws: HostError("open", directory.path(of: "none"), errno: ENOENT)) {
      try FileSystem().replaceFile(path, content: [1])
    }
  }

  @Test func patchesBeyondTheWrittenDataAreRejected() throws {
    #expect(throws: HostError.self) {
      try FileSystem().replaceFile(directory.path(of: "f")) { file in
        try file.write([1, 2, 3])
        try file.patch([9, 9], at: 2)
      }
    }
    #expect(try directory.list("").isEmpty)
  }
}
