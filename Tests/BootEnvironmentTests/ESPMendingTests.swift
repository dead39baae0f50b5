// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import FATFileSystem
import Glibc
import HostSystem
import Messages
import TestSupport
import Testing

/// FAT file systems made by mkfs.vfat, in states that power cuts leave, with the real fsck.vfat.
///
/// A file serves as the device, and a directory as its mount, since the machine under test may lack vfat.
@Suite struct ESPMendingTests {
  private let image: FATImage
  private let mounted: TemporaryDirectory
  private let host: Host
  private let esp = ESP(source: .listed("1111-AAA1"), device: "/device")
  private static let kernel = "/EFI/Linux/pve-6.8.12-4-pve.efi"
  private static let previous = "/EFI/Linux/pve-6.8.12-4-pve~previous.efi"
  private static let temporary = "/EFI/Linux/.pve-6.8.12-4-pve.efi.0011223344556677.pve-sb-uki.tmp"
  private static let proxmox = "/EFI/proxmox/6.8.12-4-pve"

  init() throws {
    image = try FATImage(.fat32)
    try image.makeDirectories(["/EFI", "/EFI/Linux", "/EFI/proxmox", Self.proxmox, "/other"])
    for (number, path) in [Self.kernel, Self.previous, Self.temporary, "\(Self.proxmox)/vmlinuz-1", "/other/file"]
      .enumerated()
    {
      try image.write(path, pattern(3000 + number, UInt32(number)))
    }
    mounted = try TemporaryDirectory()
    var host = try mounted.host()
    let (path, files, scratch) = (image.scratch.path, host.files, image)
    symlink(path, mounted.path(of: "device"))
    host.isRunningSystem = true
    host.processes = ProcessRunner { _, _ in
      0
    } collect: { program, arguments, limit in
      try ProcessRunner().collect(program, arguments: arguments.dropLast() + [path], limit: limit)
    }
    host.partitions = PartitionAccess { _, _, _ in
      files
    } facts: { _ in
      let sector = try FATBootSector(parsing: scratch.bytes(at: 0, count: 512))
      return PartitionFacts(
        number: DeviceNumber(major: 8, minor: 2), location: nil, content: .fat(sector), isDirty: sector.isDirty)
    } volume: { _ in
      try scratch.volume()
    } removeNames: { _, choose in
      let chosen = try choose(scratch.volume(), scratch.device())
      for file in chosen { try scratch.apply(file.removal(from: scratch.device())) }
      return chosen
    }
    self.host = host
  }

  private func setDirty() throws { try image.write([1], at: 0x41) }
  private func cluster(_ path: String) throws -> Int { try image.clusters(of: path)[0] }
  private func shortName(_ path: String) throws -> String {
    let text = String(decoding: try image.mtools("mdir", ["-a", "::/EFI/Linux"]), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.contains(path.split(separator: "/").last ?? "") } ?? ""
    let fields = line.split(separator: " ")
    return String(fields[0]).padding(8) + String(fields[1]).padding(3)
  }

  /// The result of `ESPSurvey`.
  private func examined() throws -> (damage: [ESPProblem], esps: [ESP]) {
    try mounted.write("etc/kernel/proxmox-boot-uuids", "1111-AAA1\n")
    try mounted.write("dev/disk/by-uuid/1111-AAA1", "")
    let survey = try ESPSurvey(of: host, Configuration())
    return (survey.problems, survey.esps)
  }
  private func mend() throws -> [String] { try esp.mend(on: host) { _, _, _ in false }.map(\.description) }

  @Test func aDirtyBitAloneIsRepaired() throws {
    #expect(try examined().esps.map(\.uncleanState) == [nil])
    try setDirty()
    #expect(try examined().esps.map(\.uncleanState) == [.mendable] && examined().damage.isEmpty)
    #expect(try mend() == ["1111-AAA1 was checked and repaired: not unmounted cleanly"])
    #expect(try image.check().contains("fsck.fat 4.2") && examined().esps.map(\.uncleanState) == [nil])
    #expect(try mend().isEmpty)
  }

  @Test func lostClustersAreFreed() throws {
    try setDirty()
    for cluster in 20_000..<20_010 { try image.setEntry(cluster, cluster < 20_009 ? cluster + 1 : image.end) }
    try image.setEntry(30_000, image.end, copies: [1])
    try image.write([9, 0, 0, 0], at: 512 + 488)
    // fsck.vfat turns the lost clusters into a file.
    try mounted.write("FSCK0001.REC", "of an earlier check")
    let host = self.host
    let made = mounted
    var counting = host
    counting.processes = ProcessRunner { _, _ in
      0
    } collect: { program, arguments, limit in
      if arguments.contains("-a") { try made.write("FSCK0000.REC", "lost") }
      return try host.processes.collect(program, arguments: arguments, limit: limit)
    }
    let done = try esp.mend(on: counting) { _, _, _ in false }.map(\.description)
    #expect(done.count == 1 && done[0].contains("5 KiB belonged to no file") && done[0].contains("allocation table"))
    #expect(try mounted.read("FSCK0000.REC") == nil && mounted.read("FSCK0001.REC") != nil)
    #expect(try image.listing().contains("/FSCK0000.REC") && examined().damage.isEmpty)
  }

  /// Between the two writes of an exchange, both names have the clusters of the new or of the old file.
  @Test(arguments: [(kernel, temporary), (temporary, kernel), (kernel, previous), (previous, temporary)])
  func theMoreImportantFileKeepsSharedClusters(names: (String, String)) throws {
    try setDirty()
    let kept = [Self.kernel, Self.previous, Self.temporary].first { $0 == names.0 || $0 == names.1 } ?? ""
    let gone = kept == names.0 ? names.1 : names.0
    let content = try image.content(of: names.1)
    try image.point(shortName(names.0), to: cluster(names.1), size: content.count)
    #expect(try image.check().contains("share clusters"))
    #expect(try examined().esps.map(\.uncleanState) == [.mendable])
    #expect(try mend().first == "1111-AAA1: removed \(gone.dropFirst()), left over from a power cut")
    #expect(try image.content(of: kept) == content && !image.listing().contains(gone))
    #expect(try image.volume().files.allSatisfy { $0.chain == .sound && $0.sharesWith.isEmpty })
    #expect(try examined().esps.map(\.uncleanState) == [nil])
  }

  @Test func theFileWithTheRightContentKeepsSharedClusters() throws {
    let other = "/EFI/Linux/pve-6.8.12-3-pve.efi"
    try image.write(other, pattern(100, 7))
    try image.point(shortName(Self.kernel), to: cluster(other), size: 100)
    #expect(try esp.mend(on: host) { file, _, _ in file.path == other }.count == 2)
    #expect(try image.listing().contains(other) && !image.listing().contains(Self.kernel))
  }

  @Test func aFileWithFreeClustersIsRemoved() throws {
    try setDirty()
    try image.setEntry(cluster(Self.temporary), 0)
    #expect(try mend().count == 2 && !image.listing().contains(Self.temporary))
    try image.setEntry(cluster(Self.kernel), 0)
    #expect(try mend().first?.contains(Self.kernel.dropFirst()) == true && examined().damage.isEmpty)
  }

  /// proxmox-boot-tool rewrites both files.
  @Test func filesThatProxmoxWasWritingAreTruncated() throws {
    try setDirty()
    let vmlinuz = try image.clusters(of: "\(Self.proxmox)/vmlinuz-1")
    try image.setEntry(vmlinuz[1], image.end)
    for later in vmlinuz.dropFirst(2) { try image.setEntry(later, 0) }
    #expect(try examined().damage.isEmpty)
    #expect(try mend().first?.contains("was truncated") == true && examined().esps.map(\.uncleanState) == [nil])
    // A new directory with only its name on disk.
    try setDirty()
    try image.makeDirectories(["/EFI/proxmox/NEW"])
    let start = try image.entryOffset("NEW        ")
    let number = try image.bytes(at: start + 26, count: 2)
    try image.write(pattern(512, 99), at: image.offset(ofCluster: Int(number[0]) | Int(number[1]) << 8))
    #expect(try examined().damage.isEmpty)
    #expect(try mend().first?.contains("EFI/proxmox/NEW") == true && examined().esps.map(\.uncleanState) == [nil])
  }

  @Test func foreignDamageIsReportedWithTheRepairCommand() throws {
    try setDirty()
    try image.point("FILE       ", to: cluster(Self.kernel), size: 3000)
    let before = try image.bytes(at: 0, count: 4 << 20)
    let (damage, esps) = try examined()
    #expect(esps.isEmpty && damage.map(\.kind) == [.damaged])
    #expect(damage.first?.repair == "fsck.vfat -r \(mounted.path(of: "dev/disk/by-uuid/1111-AAA1"))")
    #expect(
      damage.first?.description.contains("share clusters") == true || damage.first?.description.contains("file") == true
    )
    let problem = thrown(ESPProblem.self) { try mend() }
    #expect(problem?.kind == .damaged)
    #expect(try image.bytes(at: 0, count: 4 << 20) == before)
  }

  @Test func withoutFsckOnlyACleanESPIsAccepted() throws {
    var host = self.host
    host.processes = ProcessRunner { _, _ in
      0
    } collect: { _, _, _ in
      ProcessOutput(status: 127)
    }
    #expect(try esp.mend(on: host) { _, _, _ in false }.isEmpty)
    try setDirty()
    let problem = thrown(ESPProblem.self) { try esp.mend(on: host) { _, _, _ in false } }
    #expect(problem?.kind == .unchecked && problem?.hint?.contains("apt install dosfstools") == true)
  }

  /// The first line that fsck.vfat prints in an initrd, which has no character set conversions.
  @Test func messagesAboutFsckItselfAreNotDamage() {
    let text = """
      fsck.fat 4.2 (2021-01-31)
      Cannot initialize conversion from codepage 850 to ANSI_X3.4-1968: Invalid argument
      Cannot initialize conversion from ANSI_X3.4-1968 to codepage 850: Invalid argument
      Using internal CP850 conversion table
      Dirty bit is set. Fs was not properly unmounted and some data may be corrupt.
       Automatically removing dirty bit.

      *** Filesystem was changed ***
      Writing changes.
      /dev/vda4: 1 files, 1/129022 clusters
      """
    let check = FileSystemCheck(parsing: text)
    #expect(check.damage.isEmpty && check.remnants == [.dirtyBit])
  }

  /// The real program's output for each kind of damage and for remnants.
  @Test func otherMessagesAreDamage() {
    for line in [
      "Cluster 5 out of range (9 > 8). Setting to EOF.", "/a\n  Bad short file name (A).\n  Auto-renaming it.",
      "/EFI/Linux/x  and\n/y\n  share clusters.\n  Truncating second to 0 bytes.", "Orphaned long file name part \"x\"",
      "/other/file\n  File size is 9 bytes, cluster chain length is > 0 bytes.\n  Truncating file to 9 bytes.",
      "FATs differ and both appear to be corrupt.", "something else", "/only/a/path",
    ] {
      let check = FileSystemCheck(parsing: "fsck.fat 4.2 (2021-01-31)\n\(line)\n\nLeaving filesystem unchanged.\n")
      #expect(!check.damage.isEmpty, "\(line)")
    }
    for bytes in Mutations(
      of: Array("/EFI/proxmox/K/x\n  File size is 9 bytes\n/dev/sda: 1 files, 2/3 clusters\n".utf8), count: 3000)
    {
      _ = FileSystemCheck(parsing: String(decoding: bytes, as: UTF8.self))
    }
  }
}

extension String {
  fileprivate func padding(_ length: Int) -> String {
    self + String(repeating: " ", count: Swift.max(0, length - utf8.count))
  }
}
