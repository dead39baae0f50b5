// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import InitialRAMDisk
import PortableExecutable
import StartupCheck
import TestSupport
import Testing
import UnifiedKernelImage

@Suite struct ImageUsageTests {
  private typealias Member = RAMDiskBytes.Member

  /// Microcode as Debian's packages place it.
  private static func microcode(_ vendors: (String, Int)...) -> [UInt8] {
    RAMDiskBytes.archive(
      [.directory("kernel"), .directory("kernel/x86/microcode")]
        + vendors.map { Member("kernel/x86/microcode/\($0.0).bin", String(repeating: "c", count: $0.1)) })
  }

  /// An initrd with 100 bytes of programs, 300 of modules and 600 of firmware.
  private static let files = RAMDiskBytes.archive([
    .directory("usr/lib/modules"), .link("lib", to: "usr/lib"), Member("init", String(repeating: "i", count: 100)),
    Member("usr/lib/modules/6.8/a.ko", String(repeating: "m", count: 300)),
    Member("lib/firmware/a.bin", String(repeating: "f", count: 600)),
  ])

  private func leading(_ image: [UInt8]) throws -> ImageUsage {
    try ImageUsage(of: PEHeader(parsing: image), in: image)
  }

  @Test func anInitrdIsCountedByContent() throws {
    let packed = try ExternalTool("gzip").run(["-n"], input: Self.files)
    let early = Self.microcode(("GenuineIntel", 5000), ("AuthenticAMD", 3000))
    let image = try StartupScene.image(initrd: early + packed)
    let usage = try ExaminedImage(reading: image).usage
    #expect(usage.microcode == [.intel: 5000, .amd: 3000])
    #expect(usage.compression == "gzip" && usage.compressed == packed.count)
    #expect(usage.unpacked == 1000 && usage.hardware == 900)
    #expect(usage.sizes[.microcode] == 8000 && usage.sizes[.initrd] == early.count + packed.count - 8000)
    #expect(usage.sizes.total == image.count)
    // Without unpacking it, the share of the hardware is unknown.
    let quick = try leading(image)
    #expect(quick.sizes == usage.sizes && quick.microcode == usage.microcode && quick.compression == "gzip")
    #expect(quick.compressed == nil && quick.unpacked == 0)
  }

  @Test func aSectionOfMicrocodeIsNotCountedTwice() throws {
    let early = Self.microcode(("GenuineIntel", 5000))
    let image = try StartupScene.image(initrd: Self.files, microcode: early)
    for usage in [try ExaminedImage(reading: image).usage, try leading(image)] {
      #expect(usage.sizes[.microcode] == early.count && usage.sizes[.initrd] == Self.files.count)
      #expect(usage.microcode == [.intel: 5000] && usage.compression == nil)
    }
  }

  @Test(arguments: ["garbage", "", "0707", "070701zzzz"]) func anInvalidInitrdHasSizesOnly(_ text: String) throws {
    let initrd = Array(text.utf8) + [1]
    let usage = try leading(StartupScene.image(initrd: initrd))
    #expect(usage.sizes[.initrd] == initrd.count && usage.microcode.isEmpty && usage.compression == nil)
  }

  @Test func theRecordKeepsTheUsage() throws {
    let packed = try ExternalTool("zstd").run(["-q", "-c"], input: Self.files)
    let image = try StartupScene.image(initrd: Self.microcode(("AuthenticAMD", 7)) + packed)
    let digest = [UInt8](repeating: 7, count: 32)
    var record = StartupRecord()
    record.set(digest, try ExaminedImage(reading: image))
    let read = try #require(StartupRecord(parsing: record.serialize()))
    #expect(read == record && read[digest]?.usage.compression == "Zstandard")
    #expect(read[digest]?.usage.sizes.total == image.count)
  }

  @Test func theFirstBytesOfACompressedArchiveSuffice() throws {
    let packed = try ExternalTool("zstd").run(["-q", "-c"], input: Self.files)
    let early = Self.microcode(("AuthenticAMD", 7))
    var names: [String] = []
    let segments = try InitialRAMDisk(early + packed.prefix(2)).forEachLeadingMember { names.append($0.name) }
    #expect(segments.map(\.compressionName) == [nil, "Zstandard"] && segments.map(\.start) == [0, early.count])
    #expect(segments.map(\.end) == [early.count, early.count + 2])
    #expect(names.last == "kernel/x86/microcode/AuthenticAMD.bin")
  }
}
