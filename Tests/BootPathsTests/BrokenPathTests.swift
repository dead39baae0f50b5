// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import BootPaths
import Cryptography
import EFIData
import Findings
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// Paths that do not start: one of each kind.
@Suite struct BrokenPathTests {
  let scene: PathScene
  let own: [UInt16]

  init() throws {
    scene = try PathScene()
    own = try scene.ownNumbers()
  }

  /// The entry Boot0009 for a file, before pve-sb-uki's.
  private func survey(_ path: String, on esp: Int = 0, data: [UInt8] = []) throws -> (BootPath, BootPathSurvey) {
    try scene.put(9, label: "other", on: esp, path: path, data: data)
    try scene.order(9, own[0])
    let survey = try scene.survey()
    return (try #require(survey.path(9)), survey)
  }

  @Test func aMissingFile() throws {
    let (path, survey) = try survey("/EFI/none/x.efi")
    #expect(path.outcome == .broken && path.steps[0].verdict == .missing)
    #expect(survey.kinds == [.bootPathBroken] && survey.next?.number == own[0])
    #expect(survey.commands(.bootPathBroken) == ["pve-sb-uki boot forget Boot0009"])
    #expect(
      survey.texts(.bootPathBroken) == [
        "Boot0009 leads nowhere: unknown program, /EFI/none/x.efi on 1111-AAA1: the file does not exist"
      ])
  }

  @Test func aMissingPartition() throws {
    try FileSystem().makeDirectory(scene.mirror.directory.path(of: "dev/disk/by-partuuid"))
    let (path, survey) = try survey("/EFI/none/x.efi", on: 3)
    #expect(path.outcome == .broken)
    #expect(path.steps[0].reason.contains("the machine has no partition 11112222-0003-3333-4444-555566667777"))
    #expect(survey.kinds == [.bootPathBroken])
  }

  /// Without udev's links nothing is known about other partitions.
  @Test func anUnknownPartition() throws {
    let (path, survey) = try survey("/EFI/none/x.efi", on: 3)
    #expect(path.outcome == .unknown && survey.kinds.isEmpty)
  }

  @Test func aDamagedProgram() throws {
    try scene.write("/EFI/x/damaged.efi", Array(Fixture.stub257.bytes().prefix(5000)))
    let (path, survey) = try survey("/EFI/x/damaged.efi")
    #expect(path.outcome == .broken && path.steps[0].verdict == .damaged, "\(path.steps[0].line)")
    #expect(survey.kinds == [.bootPathBroken])
    try scene.write("/EFI/x/damaged.efi", Array("not a program".utf8))
    #expect(try self.survey("/EFI/x/damaged.efi").0.steps[0].verdict == .damaged)
    try scene.write("/EFI/x/damaged.efi", [])
    #expect(try self.survey("/EFI/x/damaged.efi").0.steps[0].verdict == .damaged)
  }

  @Test func aProgramForAnotherMachine() throws {
    try scene.write("/EFI/x/arm.efi", scene.signed(Fixture.systemdBoot257ForARM64.bytes()))
    let path = try survey("/EFI/x/arm.efi").0
    #expect(path.outcome == .broken && path.steps[0].reason.contains("AArch64"))
  }

  @Test func anUnsignedProgram() throws {
    try scene.write("/EFI/x/unsigned.efi", Fixture.stub257.bytes())
    let (path, survey) = try survey("/EFI/x/unsigned.efi")
    #expect(path.outcome == .rejected && path.steps[0].reason == "it is not signed")
    #expect(survey.texts(.bootPathBroken)[0].hasPrefix("Boot0009 is rejected: "))
  }

  @Test func aRevokedProgram() throws {
    let image = scene.mirror.directory.path(of: scene.mirror.path(PathScene.first, PathScene.newer))
    let text = try ExternalTool("pesign").result(["-h", "-d", "sha256", "-i", image]).text
    let digits = Array(try #require(text.split(whereSeparator: \.isWhitespace).last).utf8)
    let digest = stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
    }
    #expect(digest.count == 32)
    var lists = SignatureDatabase(certificates: [], owner: MirrorScene.location(0).guid)
    lists.lists = [
      SignatureList(type: .sha256, signature: .init(owner: MirrorScene.location(0).guid, data: digest))
    ]
    try scene.mirror.put(.forbiddenDatabase, lists.serialize())
    let survey = try scene.survey()
    for number in try scene.mirror.variables().order where number != 0 {
      let path = try #require(survey.path(number))
      #expect(path.outcome == (path.steps[0].path == PathScene.newer ? .rejected : .starts), "\(path.line)")
    }
    // Its entries come first.
    #expect(survey.kinds == [.bootPathBroken, .bootPathBroken])
    // Making the same UKI again would not help.
    #expect(survey.commands(.bootPathBroken).isEmpty)
    #expect(survey.next?.steps[0].path == PathScene.older)
  }

  @Test func aSecondStageBelowTheRevocationLevel() throws {
    try scene.installProxmox()
    try scene.mirror.put(.revocationLevel, Array("sbat,1,2030010100\ngrub,99\n".utf8))
    try scene.order(0, own[0])
    let survey = try scene.survey()
    let path = try #require(survey.path(0))
    #expect(path.steps.map(\.verdict) == [.starts, .rejected] && path.outcome == .rejected)
    #expect(path.steps[1].reason.contains("shim requires 99"), "\(path.steps[1].reason)")
    #expect(survey.kinds == [.bootPathBroken])
  }

  @Test func aShimBelowTheRevocationLevel() throws {
    try scene.installProxmox()
    try scene.mirror.put(.revocationLevel, Array("sbat,1,2030010100\nshim,99\n".utf8))
    try scene.order(0, own[0])
    let path = try #require(try scene.survey().path(0))
    #expect(path.outcome == .rejected && path.failing?.reason.contains("shim is revoked") == true)
  }

  @Test func aMissingSecondStage() throws {
    try scene.installProxmox()
    try scene.remove("/EFI/proxmox/grubx64.efi")
    try scene.order(0, own[0])
    let path = try #require(try scene.survey().path(0))
    #expect(path.outcome == .broken && path.steps.map(\.verdict) == [.starts, .missing])
    #expect(path.failing?.path == "/EFI/proxmox/grubx64.efi")
  }

  @Test func anEntryThatDoesNotExistOrIsDamaged() throws {
    try scene.mirror.put(.bootOption(9), [1, 0, 0])
    try scene.order(9, 10, own[0])
    let survey = try scene.survey()
    #expect(survey.path(9)?.steps[0].reason == "the entry is damaged")
    #expect(survey.path(10)?.steps[0].reason == "the entry does not exist")
    #expect(survey.texts(.bootPathBroken).map { $0.prefix(8) } == ["Boot0009", "Boot000A"])
    #expect(survey.next?.number == own[0])
  }

  @Test func nothingThatStarts() throws {
    try scene.order()
    let survey = try scene.survey()
    #expect(survey.kinds == [.noBootPath] && survey.next == nil)
    #expect(survey.texts(.noBootPath) == ["this machine has no boot entry and no program at the removable path"])
    #expect(survey.commands(.noBootPath) == ["pve-sb-uki apply"])
    try scene.put(9, label: "x", path: "/EFI/none.efi")
    try scene.order(9)
    #expect(try scene.survey().kinds == [.noBootPath, .bootPathBroken])
  }

  @Test func ownFilesAreMadeAgain() throws {
    let first = try #require(try scene.survey().path(own[0])?.steps[0])
    let path = try #require(first.path)
    let serial = try #require(first.partition)
    try scene.write(path, Array("damaged".utf8), on: serial)
    #expect(try scene.survey().commands(.bootPathBroken) == ["pve-sb-uki apply --force"])
    try scene.remove(path, on: serial)
    #expect(try scene.survey().commands(.bootPathBroken) == ["pve-sb-uki apply"])
  }

  /// All paths are rejected: entries would not help.
  @Test func aKeyThatIsNotEnrolled() throws {
    try scene.mirror.put(
      .signatureDatabase,
      SignatureDatabase(
        certificates: [SigningKey("Stranger").certificate.der], owner: MirrorScene.location(0).guid
      ).serialize())
    let survey = try scene.survey()
    #expect(survey.kinds.first == .noBootPath && survey.commands(.noBootPath).isEmpty)
    #expect(survey.paths.filter(\.isOurs).allSatisfy { $0.outcome == .rejected })
  }

  @Test func anInvalidBootOrderIsAFinding() throws {
    try scene.mirror.put(.bootOrder, [1, 2, 3])
    let survey = try scene.survey()
    #expect(survey.texts(.bootPathBroken).contains { $0.contains("BootOrder") })
    #expect(survey.kinds.contains(.noBootPath))
  }

  /// A signature that only firmware of one age accepts: one signer in dbx, another in db.
  @Test func aVerdictThatDependsOnTheFirmware() throws {
    let other = try SigningKey("Revoked")
    let (key, certificate) = (try other.keyFile(), try other.certificateFile())
    let (input, output) = (try ScratchFile(scene.signed(Fixture.stub257.bytes())), try ScratchFile())
    try ExternalTool("sbsign").run(["--key", key.path, "--cert", certificate.path, "--output", output.path, input.path])
    try scene.write("/EFI/x/both.efi", output.bytes())
    try scene.mirror.put(
      .forbiddenDatabase,
      SignatureDatabase(certificates: [other.certificate.der], owner: MirrorScene.location(0).guid).serialize())
    let (path, survey) = try survey("/EFI/x/both.efi")
    #expect(path.outcome == .depends && survey.kinds.contains(.bootPathDepends), "\(path.steps[0].line)")
  }
}
