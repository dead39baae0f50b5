// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootPaths
import Cryptography
import EFIData
import HostCommands
import HostScenes
import HostSystem
import Reconcile
import TestSupport
import Testing

/// The bytes that commands read on a machine with two ESPs and Secure Boot on, booted from a UKI.
@Suite struct ReadingCostTests {
  private let mirror: MirrorScene
  /// Bytes in the initrd of each kernel, which cannot be compressed.
  private static let initrdSize = 2 << 20
  /// By release, made once.
  private static let initrds = Result {
    try Dictionary(uniqueKeysWithValues: [MirrorScene.older, MirrorScene.newer].map { ($0, try initrd(of: $0)) })
  }

  private static func initrd(of release: String) throws -> [UInt8] {
    var random = SeededGenerator(seed: UInt64(release.utf8.count))
    var member = RAMDiskBytes.Member("lib/firmware/\(release)")
    member.content = (0..<initrdSize / 8).map { _ in random.next() }.withUnsafeBytes { Array($0) }
    let archive = RAMDiskBytes.archive([RAMDiskBytes.Member("init", mode: 0o100755, "#!/bin/sh"), member])
    // The content of a member is read only if it is compressed.
    return try ExternalTool("gzip").run(["-1", "-n"], input: archive)
  }

  init() throws {
    mirror = try MirrorScene(isApplied: false)
    for (release, initrd) in try Self.initrds.get() { try mirror.directory.write("boot/initrd.img-\(release)", initrd) }
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    try mirror.put(.secureBoot, [1])
    try mirror.put(.setupMode, [0])
    try mirror.put(
      .signatureDatabase, SignatureDatabase(certificates: [mirror.scene.key.certificate.der], owner: owner).serialize())
    try mirror.put(.stubInfo, EFIText.serialize("systemd-stub 257.9"))
    try mirror.put(.stubImageIdentifier, EFIText.serialize("\\EFI\\Linux\\pve-\(MirrorScene.newer).efi"))
    try mirror.put(.stubDevicePartition, EFIText.serialize("\(MirrorScene.location(0).guid)"))
    // Files are older than the boot.
    try mirror.directory.write("proc/stat", "btime 4000000000\n")
    try mirror.apply()
  }

  /// Size of all UKIs in bytes.
  private func size() throws -> Int {
    let sizes = try MirrorScene.serials.flatMap { serial in
      try [MirrorScene.older, MirrorScene.newer].map { try #require(try mirror.image(serial, $0)).count }
    }
    try #require(sizes.count == 4 && sizes.allSatisfy { $0 > Self.initrdSize })
    return sizes.reduce(0, +)
  }

  /// The bytes that this thread reads meanwhile (`rchar` in /proc/thread-self/io, proc(5)).
  private func bytesRead(_ body: () throws -> Void) throws -> Int {
    func count() throws -> Int {
      let text = String(decoding: try FileSystem().readFile("/proc/thread-self/io", limit: 4096), as: UTF8.self)
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("rchar: ") })
      return try #require(Int(line.dropFirst("rchar: ".count)))
    }
    let before = try count()
    try body()
    return try count() - before
  }

  /// Headers, signatures, settings and variables: less than half a UKI.
  private static let rest = initrdSize / 2

  private func status(isQuick: Bool = false) throws -> Int {
    var status = Status()
    status.isQuick = isQuick
    return try bytesRead {
      let report = try status.run(on: mirror.host())
      #expect(report.paths.filter { $0.outcome == .starts }.count == 4)
    }
  }

  @Test func theCounterCounts() throws {
    let path = mirror.path(MirrorScene.serials[0], "/EFI/Linux/pve-\(MirrorScene.newer).efi")
    let content = try mirror.directory.read(path)
    #expect(try bytesRead { _ = try mirror.directory.read(path) } >= content?.count ?? .max)
  }

  @Test func statusReadsEachUKIOnce() throws {
    StartupReport.remember(on: try mirror.host())
    let size = try size()
    #expect(try (size..<size + Self.rest).contains(status()))
  }

  @Test func quickStatusReadsNoUKI() throws {
    StartupReport.remember(on: try mirror.host())
    #expect(try status(isQuick: true) < Self.rest)
    // Without the record, the initrds are unknown.
    try mirror.directory.write("var/cache/pve-sb-uki/startup", "damaged")
    #expect(try status(isQuick: true) < Self.rest)
  }

  /// Without the record, status also reads the initrd of each kernel once.
  @Test func theRecordSavesReadingInitrds() throws {
    let limit = try size() + 2 * Self.initrdSize
    #expect(try (limit..<limit + Self.rest).contains(status()))
  }

  @Test func bootCheckReadsEachUKIOnce() throws {
    let size = try size()
    let read = try bytesRead { _ = try BootCheck().run(on: mirror.host()) }
    #expect((size..<size + Self.rest).contains(read))
  }

  @Test func applyWithNothingToDoReadsNoUKI() throws {
    StartupReport.remember(on: try mirror.host())
    let read = try bytesRead {
      #expect(try !mirror.apply().isChange)
      StartupReport.remember(on: try mirror.host())
    }
    #expect(read < Self.rest)
  }

  /// One initrd is truncated; trying again would be in vain.
  @Test func anInitrdThatCannotBeUnpackedIsTriedOnce() throws {
    let whole = try #require(try mirror.directory.read("boot/initrd.img-\(MirrorScene.older)"))
    try mirror.directory.write("boot/initrd.img-\(MirrorScene.older)", whole.dropLast(1024))
    try mirror.apply()
    #expect(try bytesRead { StartupReport.remember(on: try mirror.host()) } > 2 * whole.count - 4096)
    #expect(try bytesRead { StartupReport.remember(on: try mirror.host()) } < Self.rest)
  }
}
