// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct AbandonedTests {
  private let directory: TemporaryDirectory
  private let files: FileSystem
  init() throws {
    directory = try TemporaryDirectory()
    files = try directory.host().files
  }

  @Test func temporaryFilesAndDirectoriesAreRemovedAndNothingElse() throws {
    try directory.write("d/.keys.0011.pve-sb-uki.tmp/PK.key", "secret")
    try directory.write("d/.file.0011.pve-sb-uki.tmp", "")
    try directory.write("d/file.pve-sb-uki.tmp", "")
    try directory.write("d/.other", "")
    try directory.write("target/file", "")
    symlink("../target", directory.path(of: "d/.link.0011.pve-sb-uki.tmp"))
    try files.removeAbandoned(in: "/d")
    #expect(try directory.list("d") == [".link.0011.pve-sb-uki.tmp", ".other", "file.pve-sb-uki.tmp"])
    #expect(try directory.list("target") == ["file"])
    try files.removeAbandoned(in: "/missing")
  }

  @Test func onlyThoseOfTheNamedFileAreRemoved() throws {
    try directory.write("d/.a.0011.pve-sb-uki.tmp", "")
    try directory.write("d/.b.0011.pve-sb-uki.tmp", "")
    try files.removeAbandoned(in: "/d", for: "a")
    #expect(try directory.list("d") == [".b.0011.pve-sb-uki.tmp"])
  }

  @Test func filesInUseStay() throws {
    try directory.write("d/file", "old")
    let other = try FileSystem(root: directory.path)
    try files.replaceFile(
      "/d/file", verify: { _ in try other.removeAbandoned(in: "/d") }, writing: { try $0.write([1]) })
    #expect(try directory.read("d/file") == [1])
    #expect(try directory.list("d") == ["file"])
  }

  @Test func aPrivateDirectoryIsRemovedWithItsFiles() throws {
    try files.makeDirectory("/d")
    try directory.write("d/.work.0011.pve-sb-uki.tmp/left", "over")
    do {
      let own = try files.makePrivateDirectory(in: "/d")
      try files.replaceFile("\(own.path)/file", content: [1])
      try files.removeAbandoned(in: "/d")
      #expect(try files.list("/d")?.count == 1)
      #expect(try files.status(of: own.path)?.mode == 0o700)
      withExtendedLifetime(own) {}
    }
    #expect(try directory.list("d").isEmpty)
  }
}
