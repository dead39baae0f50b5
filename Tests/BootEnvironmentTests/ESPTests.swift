// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct ESPTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private func find(_ esp: String? = nil) throws -> String? {
    var configuration = Configuration()
    configuration.espPath = esp
    return try ESPSurvey(of: directory.host(), configuration).esps.first?.name
  }

  @Test func candidatesAreTriedInOrder() throws {
    #expect(try find() == nil)
    try directory.write("boot/vmlinuz", "")
    #expect(try find() == nil)
    try directory.write("boot/EFI/x", "")
    #expect(try find() == "/boot")
    mkdir(directory.path(of: "boot/efi"), 0o755)
    #expect(try find() == "/boot")
    try directory.write("boot/efi/x", "")
    #expect(try find() == "/boot/efi")
    try directory.write("efi/x", "")
    #expect(try find() == "/efi")
  }

  @Test func anyConfiguredDirectoryIsAccepted() throws {
    try directory.write("efi/x", "")
    mkdir(directory.path(of: "mnt"), 0o755)
    #expect(try find("/mnt//") == "/mnt")
    #expect(throws: BootEnvironmentError.self) { try find("/none") }
    #expect(throws: BootEnvironmentError.self) { try find("/efi/x") }
  }

  /// The root of this machine: a directory that is not a FAT mount is not an ESP.
  @Test func onTheRunningSystemTheESPMustBeMounted() throws {
    let host = try Host()
    let mounts = try host.files.mountPoints()
    let found = try ESPSurvey(of: host, Configuration()).esps.first?.name
    let wanted = ESPSurvey.candidates.first { path in mounts.last { $0.path == path }?.fileSystem == "vfat" }
    #expect(found == wanted)
  }
}
