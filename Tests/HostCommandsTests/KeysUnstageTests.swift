// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import Findings
import HostCommands
import HostScenes
import HostSystem
import Messages
import SigningKeys
import TestSupport
import Testing

/// `keys unstage` removes what is the owner's, and nothing else.
@Suite struct KeysUnstageTests {
  private let scene: StageScene
  private let serials = StageScene.serials

  init() throws { scene = try StageScene() }

  @discardableResult
  private func unstage(dryRun: Bool = false, on host: Host? = nil) throws -> KeysUnstage.Result {
    var unstage = KeysUnstage()
    unstage.isDryRun = dryRun
    return try unstage.run(on: host ?? scene.host())
  }

  private func export(to path: String, removal: Bool = false) throws {
    var export = KeysExport()
    export.directory = scene.directory.path(of: path)
    export.isRemoval = removal
    _ = try export.run(on: scene.directory.host())
  }

  private func tree(_ serial: String) throws -> [String] {
    let root = scene.directory.path(of: MirroredMachine.path(of: serial))
    let output = try ExternalTool("find").run([root, "-type", "f", "-printf", "%P\\n"])
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init).sorted()
  }

  @Test func everythingOfTheOwnerIsRemoved() throws {
    let before = try serials.map(tree)
    let settings = try scene.read(serials[0], LoaderConfiguration.path)
    try scene.stage()
    try scene.stage(automatic: true, force: true)
    try export(to: scene.machine.path(serials[0], "/old exports"))
    try export(to: "elsewhere", removal: true)
    try scene.write(serials[1], "/EFI/pve-sb-uki/noPK.auth", #require(try scene.directory.read("elsewhere/noPK.auth")))
    let recorder = MutationRecorder()
    let dry = try unstage(dryRun: true, on: scene.host(recorder))
    #expect(recorder.mutations.isEmpty)
    let result = try unstage()
    #expect(result.failures.isEmpty && result.partitions.map(\.removed) == dry.partitions.map(\.removed))
    #expect(result.partitions.allSatisfy(\.endsEnrolment))
    #expect(result.partitions[0].removed.count == 9 + 3 + 19 && result.partitions[1].removed.count == 9 + 3 + 1)
    #expect(try serials.map(tree) == before)
    #expect(try scene.read(serials[0], LoaderConfiguration.path) == settings)
    #expect(try unstage().partitions.allSatisfy { $0.removed.isEmpty && !$0.endsEnrolment })
  }

  @Test func filesOfOthersAreKept() throws {
    let foreign = try SigningKey("Foreign").certificate
    let others: [(path: String, bytes: [UInt8])] = [
      ("/EFI/other/db.cer", foreign.der), ("/EFI/other/note.txt", Array("redfish".utf8)),
      ("/loader/keys/auto/db.auth", [1, 2, 3]), ("/EFI/pve-sb-uki/readme.txt", Array("mine".utf8)),
      ("/EFI/pve-sb-uki/db.der", Array("not a certificate".utf8)), ("/PK.auth", []),
    ]
    for (path, bytes) in others { try scene.write(serials[0], path, bytes) }
    let before = try tree(serials[0])
    try scene.stage()
    try unstage()
    #expect(try tree(serials[0]) == before)
  }

  /// After new keys were made, files of the old ones must not be enrolled.
  @Test func filesOfOldKeysInItsDirectoryAreRemovedAndReported() throws {
    let foreign = try SigningKey("Old keys").certificate
    try scene.write(serials[0], "/EFI/pve-sb-uki/db.cer", foreign.der)
    var context = MachineFindings.Context()
    context.esps = serials.map { ESP(source: .listed($0)) }
    let found = MachineFindings.collect(on: try scene.host(), context).filter { $0.kind == .exportedKeysOnESP }
    #expect(found.count == 1 && found[0].command == "pve-sb-uki keys unstage")
    #expect(found[0].message.contains("another certificate"))
    #expect(try unstage().partitions[0].removed == ["EFI/pve-sb-uki/db.cer"])
    #expect(MachineFindings.collect(on: try scene.host(), context).allSatisfy { $0.kind != .exportedKeysOnESP })
  }

  @Test func itWorksWithoutKeys() throws {
    let bare = try StageScene(isApplied: false)
    for name in try bare.directory.list("etc/pve-sb-uki/keys") {
      try bare.directory.host().files.remove("/etc/pve-sb-uki/keys/\(name)")
    }
    #expect(try KeysUnstage().run(on: bare.host()).failures.isEmpty)
  }

  @Test func anErrorOnOneESPIsReportedAndTheOtherIsCleaned() throws {
    try scene.stage()
    let result = try unstage(on: scene.host(MutationRecorder(.only(3))))
    #expect(result.failures.count <= 1)
    #expect(try unstage().failures.isEmpty)
    for serial in serials { #expect(try scene.list(serial, StageScene.menu) == ["systemd-bootx64.efi"]) }
  }
}
