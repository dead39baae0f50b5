// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import FATFileSystem
import Glibc
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct ESPSurveyTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private static let location = PartitionLocation(
    number: 2, startBlock: 2048, blockCount: 4096, guid: GUID(1, 2, 3, 4))

  private func list(_ text: String) throws { try directory.write("etc/kernel/proxmox-boot-uuids", text) }

  /// A host whose devices are files with these names in by-uuid.
  private func host(_ facts: [String: PartitionFacts]) throws -> Host {
    for serial in facts.keys { try directory.write("dev/disk/by-uuid/\(serial)", "") }
    var host = try directory.host()
    host.partitions = PartitionAccess { device, access, label in
      throw HostError("mount \(label)", device, detail: Message(verbatim: "\(access)"))
    } facts: { device in
      guard let found = facts.first(where: { device == "/dev/disk/by-uuid/\($0.key)" }) else {
        throw HostError("open", device, detail: "it is not a block device")
      }
      return found.value
    }
    return host
  }

  private func facts(
    _ content: PartitionFacts.Content = .other, location: PartitionLocation? = location, isDirty: Bool = false
  ) -> PartitionFacts {
    PartitionFacts(
      number: DeviceNumber(major: 8, minor: 2), location: location, content: content, isDirty: isDirty)
  }

  private func survey(_ host: Host, esp: String? = nil) throws -> ESPSurvey {
    var configuration = Configuration()
    configuration.espPath = esp
    return try ESPSurvey(of: host, configuration)
  }

  @Test func listedESPsAreUsedOnceAndInOrder() throws {
    try list("\n# a comment\nBBBB-0002\n  1111-aaa1\t\r\nBBBB-0002\n\n1111-AAA1")
    let host = try host(["BBBB-0002": facts(), "1111-aaa1": facts(location: nil), "1111-AAA1": facts()])
    try directory.write("efi/x", "")
    let survey = try survey(host)
    #expect(survey.problems.isEmpty)
    #expect(survey.esps.map(\.name) == ["BBBB-0002", "1111-aaa1", "1111-AAA1"])
    #expect(survey.esps.map(\.location) == [Self.location, nil, Self.location])
    let first = try #require(survey.esps.first)
    #expect(first.source == .listed("BBBB-0002"))
    let device = "/dev/disk/by-uuid/BBBB-0002"
    #expect(throws: HostError("mount BBBB-0002:", device, detail: "reading")) {
      try first.open(on: host, for: .reading)
    }
    #expect(throws: HostError("mount BBBB-0002:", device, detail: "writing")) {
      try first.open(on: host, for: .writing)
    }
  }

  @Test func anUnusableESPDoesNotHideOthers() throws {
    try list("AAAA-0001\nAAAA-0002\nAAAA-0003\nAAAA-0004\nAAAA-0005\nAAAA-0006\n")
    var sector = [UInt8](repeating: 0, count: 512)
    sector.replaceSubrange(510..., with: [0x55, 0xaa])
    sector[0] = 0xeb
    let damage = try #require(thrown(ParseError.self) { try FATBootSector(parsing: sector) })
    let fat = PartitionFacts.Content.fat(try Self.fat())
    var host = try host([
      "AAAA-0002": facts(.damagedFAT(damage)), "AAAA-0003": facts(fat, isDirty: true), "AAAA-0004": facts(fat),
    ])
    try directory.write("dev/disk/by-uuid/AAAA-0005", "")
    symlink("/dev/none", directory.path(of: "dev/disk/by-uuid/AAAA-0006"))
    let damaged = "fsck.fat 4.2 (2021-01-31)\n/x\n  Bad short file name (X).\n  Auto-renaming it.\n"
    host.processes = ProcessRunner { _, _ in
      0
    } collect: { _, _, _ in
      ProcessOutput(status: 1, output: Array(damaged.utf8))
    }
    let survey = try survey(host)
    #expect(survey.esps.map(\.name) == ["AAAA-0004"])
    #expect(survey.problems.map(\.name) == ["AAAA-0001", "AAAA-0002", "AAAA-0003", "AAAA-0005", "AAAA-0006"])
    #expect(survey.problems.map(\.kind) == [.missing, .damaged, .damaged, .unreadable, .missing])
    for problem in survey.problems { #expect(problem.description.contains(problem.name)) }
    let path = directory.path(of: "dev/disk/by-uuid/AAAA-0003")
    #expect(survey.problems[2].description.contains("Bad short file name"))
    #expect(
      survey.problems.map(\.repair) == [
        nil, "fsck.vfat -r \(directory.path(of: "dev/disk/by-uuid/AAAA-0002"))", "fsck.vfat -r \(path)", nil, nil,
      ])
    #expect(survey.problems[2].hint?.contains("'fsck.vfat -r \(path)'") == true)
    #expect(survey.problems[0].hint?.contains("proxmox-boot-tool clean") == true)
    host.partitions = PartitionAccess { _, _, _ in
      throw HostError("x", "x", errno: 1)
    } facts: { device in
      throw HostError("open", device, errno: EACCES, hint: "be root")
    }
    #expect(try self.survey(host).problems.map(\.hint).filter { $0 == "be root" }.count == 4)
  }

  private static func fat() throws -> FATBootSector {
    let file = try ScratchFile()
    try ExternalTool("truncate").run(["-s", "2M", file.path])
    try ExternalTool("mkfs.vfat").run([file.path])
    return try FATBootSector(parsing: Array(file.bytes().prefix(512)))
  }

  @Test(arguments: [
    "../../../etc", "1111/AAA1", "1111-AAAG", "-1111AAA1", "1111-AAA1 x", "11\u{1b}1-AAA1", "１１１１-AAA1", "ä", "..",
    "AAA", String(repeating: "a", count: 65),
  ])
  func invalidSerialNumbersAreReportedWithTheirLine(line: String) throws {
    try list("AAAA-0001\n\(line)\n")
    let survey = try survey(host(["AAAA-0001": facts()]))
    #expect(survey.esps.map(\.name) == ["AAAA-0001"])
    #expect(survey.problems.map(\.kind) == [.unreadable])
    #expect(survey.problems[0].description.contains("proxmox-boot-uuids, line 2:"))
    #expect(line.utf8.count < 4 || !survey.problems[0].description.contains(line))
  }

  @Test func anEmptyListIsIgnored() throws {
    try list("\n# nothing yet\n")
    try directory.write("boot/efi/x", "")
    #expect(try survey(directory.host()).esps == [ESP(source: .directory("/boot/efi"))])
    try list("nonsense")
    #expect(try survey(directory.host()).esps.isEmpty)
    try list(String(repeating: "1111-AAA1\n", count: 10_000))
    #expect(throws: HostError.self) { try survey(directory.host()) }
  }

  /// In a root other than that of the running system.
  @Test func aDirectoryCanReplaceAMountedESP() throws {
    try list("1111-AAA1\n")
    try directory.write("mnt/EFI/file", "x")
    try FileSystem().makeDirectory(directory.path(of: "dev/disk/by-uuid"))
    symlink("../../../mnt", directory.path(of: "dev/disk/by-uuid/1111-AAA1"))
    let host = try directory.host()
    let esp = try #require(try survey(host).esps.first)
    #expect(esp.name == "1111-AAA1" && esp.location == nil)
    for access in [PartitionAccess.Access.reading, .writing] {
      #expect(try esp.open(on: host, for: access).list("/EFI") == ["file"])
    }
  }

  @Test func theConfiguredDirectoryOverridesTheList() throws {
    try list("1111-AAA1\n")
    try directory.write("mnt/EFI/file", "x")
    let host = try directory.host()
    let survey = try survey(host, esp: "/mnt/")
    #expect(survey.esps == [ESP(source: .directory("/mnt"))] && survey.problems.isEmpty)
    let files = try #require(survey.esps.first).open(on: host, for: .writing)
    #expect(try files.list("/EFI") == ["file"])
    #expect(files.display("/EFI/x") == directory.path(of: "mnt/EFI/x"))
    #expect(throws: BootEnvironmentError.self) { try self.survey(host, esp: "/none") }
  }
}
