// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import HostSystem
import InitialRAMDisk
import Messages
import PortableExecutable
import StartupCheck
import TestSupport
import Testing

@Suite struct StartupRecordTests {
  private let scene: StartupScene
  private let digest = [UInt8](repeating: 0xab, count: 32)
  init() throws { scene = try StartupScene() }

  private func record() throws -> StartupRecord {
    let initrd = StartupScene.initrd(modules: ["dm-mod", "xfs"], ["sbin/lvm", "cryptroot/crypttab"])
    var record = StartupRecord()
    record.set(
      digest, try ExaminedImage(reading: StartupScene.image(initrd: initrd)),
      from: InputRecord(path: "/boot/initrd", size: 1, modified: 2, inode: .max))
    record.set([UInt8](repeating: 1, count: 32), ExaminedImage(uname: nil, commandLine: "", initrd: InitrdContents()))
    record.cover([digest, [UInt8](repeating: 2, count: 32)])
    return record
  }

  @Test func aRecordIsReadBack() throws {
    let record = try record()
    let image = try #require(record[digest])
    #expect(image.initrd.modules == [StartupScene.release: ["dm_mod", "xfs"]])
    #expect(image.initrd.programs == ["lvm"] && image.initrd.hasCryptroot && image.initrd.hasInit)
    #expect(image.uname == StartupScene.release && image.commandLine == StartupScene.line)
    #expect(StartupRecord(parsing: record.serialize()) == record)
    let files = try scene.host().files
    try record.save(to: files)
    #expect(StartupRecord.load(from: files) == record)
    let recorder = MutationRecorder()
    try record.save(to: scene.directory.host(gate: recorder.gate).files)
    #expect(recorder.mutations.isEmpty)
  }

  /// A UKI with another command line but the same initrd: reading the initrd would throw.
  @Test func aKnownInitrdIsNotReadAgain() throws {
    let initrd = InputRecord(path: "/boot/initrd.img-1", size: 5, modified: -1, inode: 3)
    let image = try StartupScene.image(initrd: StartupScene.initrd(modules: ["xfs"], ["sbin/lvm"]))
    var record = StartupRecord()
    record.set(digest, try ExaminedImage(reading: image), from: initrd)
    record = try #require(StartupRecord(parsing: record.serialize()))
    var other = initrd
    other.inode += 1
    #expect(record.image(withInitrd: other) == nil)
    let known = try #require(record.image(withInitrd: initrd))
    let header = try PEHeader(parsing: image)
    let range = try #require(header.section(named: ".initrd")?.contentRange)
    let unreadable = UnreadableRange(bytes: image, range: range)
    #expect(throws: UnreadableRange.Failure.self) { try ExaminedImage(reading: unreadable) }
    #expect(try ExaminedImage(reading: unreadable, sharingInitrdWith: known) == known)
  }

  private struct UnreadableRange: RandomAccessBytes {
    struct Failure: Error {}
    let bytes: [UInt8]
    let range: Range<Int>
    var count: Int { bytes.count }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
      guard !range.overlaps(offset..<offset + buffer.count) else { throw Failure() }
      try bytes.read(into: buffer, at: offset)
    }
  }

  @Test func aDamagedRecordIsIgnoredOrReadAsAnother() throws {
    let bytes = try record().serialize()
    for count in 0..<bytes.count { #expect(StartupRecord(parsing: Array(bytes.prefix(count))) == nil, "\(count)") }
    for variant in Mutations(of: bytes, count: 1000) {
      if let read = StartupRecord(parsing: variant) { #expect(StartupRecord(parsing: read.serialize()) == read) }
    }
    try scene.directory.write("var/cache/pve-sb-uki/startup", "pve-sb-uki startup 1\nend\n")
    #expect(StartupRecord.load(from: try scene.host().files) == StartupRecord())
  }

  @Test func textsThatWouldEndALineAreNotRecorded() {
    var record = StartupRecord()
    record.set(digest, ExaminedImage(uname: "a\nend", commandLine: "", initrd: InitrdContents()))
    record.set([1], ExaminedImage(uname: "a", commandLine: "", initrd: InitrdContents()))
    #expect(record.images.isEmpty)
  }

  @Test func aRecordCoversExaminedAndOmittedUKIs() throws {
    let record = try record()
    #expect(record.omitted == [[UInt8](repeating: 2, count: 32)])
    #expect(record.covers([]) && record.covers([digest, [UInt8](repeating: 2, count: 32)]))
    #expect(!record.covers([digest, [UInt8](repeating: 3, count: 32)]))
  }

  @Test func nothingIsSavedWithoutUKIs() throws {
    let recorder = MutationRecorder()
    try StartupRecord().save(to: scene.directory.host(gate: recorder.gate).files)
    #expect(recorder.mutations.isEmpty)
  }

  private struct Unread: Error {}

  @Test func aRecordedUKIIsNotReadAgain() throws {
    let image = try StartupScene.image(initrd: RAMDiskBytes.archive([]))
    var first = StartupSurvey(on: try scene.host(), known: StartupRecord())
    let found = first.examine(StartupSurvey.Image(scene.kernel, name: "UKI", digest: digest) { image })
    #expect(found.isExamined && found.findings.count == 1 && first.record.images.count == 1)
    var second = StartupSurvey(on: try scene.host(), known: first.record)
    let again = second.examine(StartupSurvey.Image(scene.kernel, name: "UKI", digest: digest) { throw Unread() })
    #expect(again.findings.map(\.text) == found.findings.map(\.text) && second.record == first.record)
    // What is true of the host is examined each time.
    var quick = StartupSurvey(on: try scene.host(), known: StartupRecord(), isQuick: true)
    let unread = quick.examine(StartupSurvey.Image(scene.kernel, name: "UKI", digest: digest) { throw Unread() })
    #expect(!unread.isExamined && unread.findings.isEmpty)
  }
}
