// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import BootPaths
import EFIData
import Findings
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// Variables and files that an attacker or a defect made: a finding, never a crash or a lost report.
@Suite struct HostilePathTests {
  let scene: PathScene
  let own: [UInt16]

  init() throws {
    scene = try PathScene()
    own = try scene.ownNumbers()
  }

  private func node(_ units: [UInt16], isTerminated: Bool = true) throws -> DevicePathNode {
    let all = units + (isTerminated ? [0] : [])
    return try DevicePathNode(type: 4, subtype: 4, data: all.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] })
  }

  /// The survey with the entry Boot0009 of these nodes before pve-sb-uki's.
  private func survey(_ nodes: [DevicePathNode], data: [UInt8] = []) throws -> (BootPath, BootPathSurvey) {
    var writer = ByteWriter()
    DevicePath(nodes: nodes).serialize(into: &writer)
    let path = writer.bytes
    let head = [1, 0, 0, 0, UInt8(path.count & 0xff), UInt8(path.count >> 8)] + EFIText.serialize("x")
    try scene.mirror.put(.bootOption(9), head + path + data)
    try scene.order(9, own[0])
    let survey = try scene.survey()
    #expect(survey.path(own[0])?.outcome == .starts)
    return (try #require(survey.path(9)), survey)
  }

  @Test func pathsThatLeadElsewhereAreNotFollowed() throws {
    let disk = DevicePathNode(MirrorScene.location(0))
    try scene.mirror.directory.write("secret.efi", Fixture.stub257.bytes())
    for (text, reason) in [
      (#"\..\..\..\..\..\secret.efi"#, "contains '.' or '..'"),
      (#"\EFI\..\..\..\..\..\secret.efi"#, "contains '.' or '..'"),
      (#"\EFI\.\x.efi"#, "contains '.' or '..'"), (#"\EFI\/etc/passwd"#, "contains a slash"),
      (#"/etc/passwd"#, "contains a slash"),
      ("\\", "is empty"), ("", "is empty"), ("\\" + String(repeating: "a", count: 1100), "more than 1024 characters"),
      ("\\EFI\\\u{301}..\\..\\x.efi", "contains '.' or '..'"),
    ] {
      let (path, survey) = try survey([disk, try node(Array(text.utf16))])
      #expect(
        path.outcome == .broken && path.steps[0].reason.contains(reason), "\(text.prefix(30)): \(path.steps[0].reason)")
      #expect(survey.kinds == [.bootPathBroken])
    }
  }

  @Test func invalidTextIsAFinding() throws {
    let disk = DevicePathNode(MirrorScene.location(0))
    for units in [[0x5c, 0xd800, 0x61], [0x5c, 0xdc00], [0x5c, 0x61, 0, 0x62]] as [[UInt16]] {
      let (path, survey) = try survey([disk, try node(units)])
      #expect(path.outcome == .broken && survey.kinds == [.bootPathBroken])
      #expect(path.steps[0].reason.contains("not valid UTF-16"))
    }
    #expect(try survey([disk, try node([0x5c, 0x61], isTerminated: false)]).0.outcome == .broken)
    #expect(try survey([disk, try DevicePathNode(type: 4, subtype: 4, data: [1, 2, 3])]).0.outcome == .broken)
    #expect(try survey([disk, try DevicePathNode(type: 9, subtype: 9, data: [1])]).0.outcome == .broken)
    // Terminal escapes in names do not reach the reason.
    let (escape, _) = try survey([disk, try node(Array("\\\u{1b}[31m.efi".utf16))])
    #expect(escape.outcome == .broken)
  }

  @Test func manyNodesAreRead() throws {
    let nodes = try (0..<2000).map { _ in try node(Array("\\a".utf16)) }
    #expect(try survey([DevicePathNode(MirrorScene.location(0))] + nodes).0.outcome == .broken)
  }

  @Test func damagedLoadOptionsAreFindings() throws {
    let content = try #require(
      try scene.mirror.directory.read("\(EFIVariableStore.directory)/\(EFIVariableName.bootOption(own[0]).fileName)"))
    let option = Array(content.dropFirst(4))
    try scene.order(9, own[1])
    for length in stride(from: 0, to: option.count, by: 5) {
      try scene.mirror.put(.bootOption(9), Array(option.prefix(length)))
      #expect(try scene.survey(readsAll: false).path(own[1])?.outcome == .starts)
    }
    for damaged in Mutations(of: option, count: 60) {
      try scene.mirror.put(.bootOption(9), damaged)
      let survey = try scene.survey(readsAll: false)
      #expect(survey.paths.count == 2 && survey.path(own[1])?.outcome == .starts)
    }
  }

  @Test func aHugeBootOrderIsReadOnce() throws {
    try scene.mirror.put(.bootOrder, [UInt8](repeating: 0, count: 2 * 65536) + BootOrder([own[0]]).serialize())
    let survey = try scene.survey()
    #expect(survey.paths.map(\.origin) == [.entry(0), .entry(own[0])])
    let all = BootOrder(Array(0...UInt16.max)).serialize()
    try scene.mirror.put(.bootOrder, all)
    let long = try scene.survey()
    #expect(long.paths.count == 2048)
    #expect(long.texts(.remark).contains { $0.contains("has 65536 entries; only the first 2048") })
  }

  @Test func aThousandEntriesAreFollowed() throws {
    for number in 1000..<2000 { try scene.put(UInt16(number), label: "x", path: "/EFI/Linux/none-\(number).efi") }
    try scene.mirror.put(.bootOrder, BootOrder(Array(1000..<2000) + [own[0]]).serialize())
    let survey = try scene.survey()
    #expect(survey.paths.count == 1001 && survey.next?.number == own[0])
    #expect(survey.findings.count < 100)
  }

  @Test func hostileLoaderFilesAreFindings() throws {
    try scene.write("/EFI/systemd/systemd-bootx64.efi", scene.signed(Fixture.systemdBoot257.bytes()))
    try scene.put(9, label: "x", path: "/EFI/systemd/systemd-bootx64.efi")
    try scene.order(9)
    let loader = scene.mirror.directory.path(of: scene.mirror.path(PathScene.first, "/loader"))
    try scene.write("/loader/entries/a.conf", Array("linux \0/x\n".utf8) + [0, 0, 0xff, 0xfe])
    try scene.write("/loader/loader.conf", Array("default \0\0\n".utf8))
    #expect(try scene.survey().next?.steps.last?.path == PathScene.newer)
    for name in ["loader.conf", "entries/b.conf"] {
      try ExternalTool("truncate").run(["-s", "100M", "\(loader)/\(name)"])
    }
    let survey = try scene.survey()
    #expect(survey.next?.steps.last?.path == PathScene.newer)
    #expect(survey.texts(.remark).contains { $0.contains("loader.conf") && $0.contains("larger than 65536") })
    #expect(survey.texts(.remark).contains { $0.contains("b.conf") })
    try scene.write("/loader/entries/c.conf", Array("linux /../../../../secret\nsort-key aaa\n".utf8))
    #expect(try scene.survey().next?.steps.last?.path == PathScene.newer)
    // Patterns on which fnmatch(3) would take years.
    try scene.mirror.put(
      .loaderEntryDefault, EFIText.serialize(String(repeating: "*a", count: 100) + "b"))
    try scene.mirror.put(.loaderEntryOneShot, EFIText.serialize(String(repeating: "x", count: 5000)))
    let last = try scene.survey()
    #expect(last.next?.steps.last?.path == PathScene.newer)
    #expect(last.texts(.remark).contains { $0.contains("LoaderEntryOneShot") && $0.contains("5000 characters") })
  }

  @Test func tenThousandUKIsAreBounded() throws {
    try scene.write("/EFI/systemd/systemd-bootx64.efi", scene.signed(Fixture.systemdBoot257.bytes()))
    try scene.put(9, label: "x", path: "/EFI/systemd/systemd-bootx64.efi")
    try scene.order(9)
    let directory = scene.mirror.directory.path(of: scene.mirror.path(PathScene.first, "/EFI/Linux"))
    try ExternalTool("sh").run(["-c", "cd \"$1\" && seq -f 'zz-%g.efi' 10000 | xargs touch", "sh", directory])
    let survey = try scene.survey()
    #expect(survey.path(9)?.outcome == .starts)
    #expect(survey.texts(.remark).contains { $0.contains("has 10002 UKIs; only the first 512") })
  }

  @Test func unreadableVariablesKeepTheReport() throws {
    try scene.mirror.directory.write("\(EFIVariableStore.directory)/\(EFIVariableName.forbiddenDatabase.fileName)", [])
    let survey = try scene.survey()
    #expect(survey.kinds.first == .chainUnusable && survey.paths.count == 5)
    #expect(survey.path(own[0])?.steps.first?.verdict == .unknown)
  }

  @Test func linksOnAnESPDoNotLeadOut() throws {
    let target = scene.mirror.directory.path(of: scene.mirror.path(PathScene.first, "/EFI/x"))
    try FileSystem().makeDirectory(target)
    try ExternalTool("ln").run(["-s", "/etc/passwd", "\(target)/a.efi"])
    try ExternalTool("ln").run(["-s", ".", "\(target)/loop"])
    try ExternalTool("mkfifo").run(["\(target)/fifo.efi"])
    for name in ["a.efi", "loop\\loop\\loop\\a.efi", "fifo.efi", "loop"] {
      let (path, _) = try survey([DevicePathNode(MirrorScene.location(0)), try node(Array("\\EFI\\x\\\(name)".utf16))])
      #expect(path.outcome == .broken || path.outcome == .unknown, "\(name): \(path.line)")
    }
  }
}
