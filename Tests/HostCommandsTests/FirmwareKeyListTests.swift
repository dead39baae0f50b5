// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import HostCommands
import HostSystem
import Messages
import TestSupport
import Testing

/// `keys list --firmware`, compared with what efitools and openssl find in the same lists.
@Suite struct FirmwareKeyListTests {
  private let scene: StageScene

  init() throws { scene = try StageScene(isApplied: false) }

  private func list(_ name: String) throws -> FirmwareKeyList.List {
    try #require(try FirmwareKeyList().run(on: scene.host()).lists.first { $0.name == name })
  }

  @Test func listsMatchEfitools() throws {
    let content = try scene.vendorLists()
    for (name, variable) in [
      ("PK", EFIVariableName.platformKey), ("KEK", .keyExchangeKey), ("db", .signatureDatabase),
    ] {
      let bytes = try #require(content[variable])
      try scene.machine.put(variable, bytes)
      #expect(try Set(list(name).certificates.map(\.fingerprint)) == scene.fingerprints(bytes))
    }
    let microsoft = try list("db").certificates
    #expect(microsoft.allSatisfy { $0.ownerName == "Microsoft" && !$0.isOwn && !$0.isPublic })
    #expect(try list("PK").certificates.map(\.ownerName) == ["OVMF"])
    try scene.machine.put(.forbiddenDatabase, #require(content[.forbiddenDatabase]))
    let dbx = try list("dbx")
    #expect(dbx.isPresent && dbx.certificates.isEmpty && dbx.digests.map(\.type) == ["SHA-256"])
  }

  @Test func keysOfThisHostAndTestKeysAreMarked() throws {
    try scene.stage()
    try scene.enrol(from: StageScene.menu)
    let own = try list("PK").certificates
    #expect(own.count == 1 && own[0].isOwn && own[0].ownerName == "this host")
    let image = try FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd", limit: 1 << 20)
    let snakeoil = try VariableStore(parsing: image).variables[.platformKey]
    try scene.machine.put(.platformKey, #require(snakeoil).data)
    #expect(try list("PK").certificates.map(\.isPublic) == [true])
  }

  @Test func listsOfShimAreComplete() throws {
    let bytes = try #require(try scene.vendorLists()[.signatureDatabase])
    try scene.machine.put(.machineOwnerKeys, bytes)
    try scene.machine.put(EFIVariableName(name: "MokListRT1", vendor: EFIVariableName.shimVendor), bytes)
    try scene.machine.put(.requestedMachineOwnerKeys, bytes)
    #expect(try list("MokList").certificates.count == 4 && list("MokNew").certificates.count == 2)
    try scene.directory.write("sys/firmware/efi/mok-variables/MokListRT", bytes)
    #expect(try list("MokList").certificates.count == 2)
    #expect(try !list("MokDel").isPresent)
  }

  @Test func aNewMachineWithoutKeysCanBeListed() throws {
    let root = try TemporaryDirectory()
    #expect(throws: Failure.self) { try FirmwareKeyList().run(on: root.host()) }
    var list = FirmwareKeyList()
    list.variables = scene.directory.path(of: EFIVariableStore.directory)
    let result = try list.run(on: root.host())
    #expect(result.setupMode == true && result.secureBoot == false && result.lists.allSatisfy { !$0.isPresent })
  }

  @Test func hostileListsAreReported() throws {
    let bytes = try #require(try scene.vendorLists()[.signatureDatabase])
    for damaged in Mutations(of: bytes, count: 200) {
      try scene.machine.put(.signatureDatabase, damaged)
      _ = try list("db")
    }
    try scene.machine.put(.signatureDatabase, Array(bytes.prefix(100)))
    #expect(try !list("db").damage.isEmpty)
    try scene.directory.write("\(EFIVariableStore.directory)/\(EFIVariableName.signatureDatabase.fileName)", [7])
    #expect(try list("db").isPresent && !list("db").damage.isEmpty)
  }
}
