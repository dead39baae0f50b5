// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct FileSystemTests {
  let directory: TemporaryDirectory
  let files: FileSystem
  init() throws {
    directory = try TemporaryDirectory()
    files = try FileSystem(root: directory.path)
  }

  @Test func pathsStayInsideTheRoot() throws {
    try directory.write("etc/inside", "inside")
    symlink("/etc/inside", directory.path(of: "absolute"))
    symlink("../../../../../../etc/inside", directory.path(of: "relative"))
    symlink("/etc", directory.path(of: "directory"))
    for path in ["/absolute", "/relative", "/directory/inside", "/../../etc/inside", "etc/inside"] {
      #expect(try files.readTextIfPresent(path) == "inside", "\(path)")
    }
    #expect(try files.readTextIfPresent("/etc/passwd") == nil)
    symlink("/proc/self/root/etc/passwd", directory.path(of: "magic"))
    #expect(try files.readTextIfPresent("/magic") == nil)
  }

  @Test func changesStayInsideTheRoot() throws {
    try directory.write("real/x", "x")
    symlink("/real", directory.path(of: "link"))
    try files.replaceFile("/link/y", content: [1])
    try files.makeDirectory("/link/a/b", mode: 0o700)
    #expect(try files.remove("/link/x"))
    #expect(try directory.list("real") == ["a", "y"])
    #expect(try files.status(of: "/real/a/b")?.mode == 0o700)
    #expect(try !files.remove("/link/x"))
    #expect(try files.removeDirectory("/real/a/b"))
  }

  /// The owner of the parent can replace the new directory at any time; a link must not lead to a change of mode.
  @Test(arguments: [true, false]) func theModeOfAReplacedDirectoryIsNotChanged(isLink: Bool) throws {
    let path = directory.path
    try directory.write("target/file", "x")
    chmod(directory.path(of: "target"), 0o700)
    let files = try FileSystem(root: path) { mutation in
      guard mutation.kind == .changeMode, mutation.path == "/new" else { return }
      rmdir("\(path)/new")
      if isLink { symlink("target", "\(path)/new") } else { rename("\(path)/target", "\(path)/new") }
    }
    #expect(throws: HostError.self) { try files.makeDirectory("/new", mode: 0o755) }
    #expect(try self.files.status(of: isLink ? "/target" : "/new")?.mode == 0o700)
  }

  @Test func newDirectoriesHaveTheirModeDespiteTheUmask() throws {
    try files.makeDirectory("/a/b", mode: 0o777)
    #expect(try files.status(of: "/a")?.mode == 0o777 && files.status(of: "/a/b")?.mode == 0o777)
  }

  @Test func onlyRegularFilesAreRead() throws {
    mkfifo(directory.path(of: "fifo"), 0o600)
    mkdir(directory.path(of: "directory"), 0o700)
    let path = directory.path(of: "directory")
    #expect(throws: HostError("open", path, detail: "it is a directory")) { try files.openFile("/directory") }
    #expect(throws: HostError("open", directory.path(of: "fifo"), detail: "it is not a regular file")) {
      try files.openFile("/fifo")
    }
    #expect(throws: HostError("open", directory.path(of: "none"), errno: ENOENT)) { try files.openFile("/none") }
  }

  @Test func aShrinkingFileIsReported() throws {
    try directory.write("f", [UInt8](repeating: 1, count: 100))
    let file = try files.openFile("/f")
    #expect(file.count == 100)
    truncate(directory.path(of: "f"), 50)
    var buffer = [UInt8](repeating: 0, count: 60)
    let error = thrown(HostError.self) {
      try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 20) }
    }
    #expect(error?.description.contains("changed while it was read") == true)
    #expect(error?.path == directory.path(of: "f"))
  }

  @Test func theReadLimitIsEnforced() throws {
    try directory.write("f", [UInt8](repeating: 1, count: 10_000))
    #expect(try files.readFile("/f", limit: 10_000).count == 10_000)
    #expect(throws: HostError.self) { try files.readFile("/f", limit: 9_999) }
    let version = try FileSystem().readFile("/proc/version", limit: 4096)
    #expect(version.count > 10)
  }

  @Test func aFileOfMaximumSizeIsTooLarge() throws {
    let name = "/pve-sb-uki-test-\(getpid())"
    let descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    try #require(descriptor >= 0)
    defer {
      close(descriptor)
      shm_unlink(name)
    }
    try #require(ftruncate(descriptor, .max) == 0)
    #expect(throws: HostError.self) { try FileSystem().readFile("/dev/shm\(name)", limit: 100) }
  }

  @Test func listingIsInByteOrder() throws {
    for name in ["b", "B", "a.efi", ".hidden", "é"] { try directory.write("d/\(name)", "") }
    #expect(try files.list("/d") == [".hidden", "B", "a.efi", "b", "é"])
    #expect(try files.list("/none") == nil)
  }

  @Test func statusDistinguishesLinkAndTarget() throws {
    try directory.write("f", "12345")
    symlink("f", directory.path(of: "l"))
    let status = try #require(try files.status(of: "/l"))
    #expect(status.kind == .regular && status.size == 5 && status.modified > 1_000_000_000_000_000_000)
    #expect(try files.linkStatus(of: "/l")?.kind == .symbolicLink)
    #expect(try files.status(of: "/f/below") == nil)
    symlink("loop", directory.path(of: "loop"))
    #expect(throws: HostError("examine", directory.path(of: "loop"), errno: ELOOP)) { try files.status(of: "/loop") }
    #expect(try files.availableSpace(at: "/") > 0)
    #expect(try !files.isReadOnly(at: "/"))
  }

  @Test func errorsReadAsSentences() {
    #expect("\(HostError("open", "/etc/x", errno: EACCES))" == "cannot open /etc/x: Permission denied")
    #expect("\(HostError("read", "/etc/x", detail: "it is a moon"))" == "cannot read /etc/x: it is a moon")
  }
}
