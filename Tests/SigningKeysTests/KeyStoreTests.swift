// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import Glibc
import HostSystem
import SigningKeys
import TestSupport
import Testing

@Suite struct KeyStoreTests {
  static let names = ["GUID", "KEK.crt", "KEK.key", "PK.crt", "PK.key", "db.crt", "db.key"]
  let root: TemporaryDirectory
  let hierarchy: KeyHierarchy

  init() throws {
    root = try TemporaryDirectory()
    hierarchy = try Self.shared.get()
  }

  private static let shared = Result {
    let root = try TemporaryDirectory()
    let template = KeyHierarchy.Template(name: "Test", bits: 2048, owner: KeyHierarchyTests.owner)
    return try KeyHierarchy(creating: template, on: root.host())
  }

  private func create(gate: @escaping Mutation.Gate = { _ in }) throws {
    let host = try root.host(gate: gate)
    let identities = Dictionary(uniqueKeysWithValues: KeyRole.allCases.map { ($0, hierarchy[$0]) })
    try KeyStore(of: host).install(KeySet(identities, owner: hierarchy.owner, passphrase: nil), on: host)
  }

  private func remove() throws { try ExternalTool("rm").run(["-rf", root.path(of: "etc")]) }

  @Test func writtenKeysAreReadBack() throws {
    let host = try root.host()
    #expect(try KeyStore(of: host).state() == .absent)
    try create()
    let store = KeyStore(of: host)
    #expect(try store.state() == .complete(withoutPrivateKeys: []))
    let read = try store.hierarchy()
    #expect(read.owner == hierarchy.owner)
    for role in KeyRole.allCases { #expect(read[role].certificate == hierarchy[role].certificate) }
    #expect(try root.list(KeyStore.standardDirectory) == Self.names)
  }

  @Test func aFailureAtAnyChangeLeavesAllOrNothing() throws {
    for number in 1... {
      try remove()
      let recorder = MutationRecorder(.only(number))
      do {
        try create(gate: recorder.gate)
        #expect(recorder.mutations.count == number - 1)
        #expect(number > 30)
        break
      } catch {
        let names = try root.list(KeyStore.standardDirectory)
        #expect(names.isEmpty || names == Self.names, "change \(number)")
        #expect(try root.list("/etc/pve-sb-uki").allSatisfy { $0 == "keys" }, "change \(number)")
      }
    }
  }

  @Test func aPowerCutLeavesAllOrNothingAndIsCleanedUp() throws {
    let whole = MutationRecorder()
    try create(gate: whole.gate)
    for number in 1...whole.mutations.count {
      try remove()
      #expect(throws: HostError.self) { try create(gate: MutationRecorder(.from(number)).gate) }
      if try root.list(KeyStore.standardDirectory).isEmpty { try create() }
      #expect(try root.list(KeyStore.standardDirectory) == Self.names, "change \(number)")
      #expect(try root.list("/etc/pve-sb-uki") == ["keys"], "change \(number)")
    }
  }

  /// Checks every file before every change, with umask 0.
  @Test func privateKeysAreNeverReadableByOthers() throws {
    let mask = umask(0)
    defer { umask(mask) }
    let path = root.path(of: "/etc/pve-sb-uki")
    let files = FileSystem()
    nonisolated(unsafe) var looked = 0
    try create { _ in
      for directory in try files.list(path) ?? [] {
        #expect(try files.status(of: "\(path)/\(directory)")?.mode == 0o700)
        for name in try files.list("\(path)/\(directory)") ?? [] where !name.hasSuffix(".crt") && name != "GUID" {
          let mode = try files.status(of: "\(path)/\(directory)/\(name)")?.mode
          // A certificate gets mode 0644 while it still has its temporary name.
          #expect(mode == 0o600 || mode == 0o644 && !name.contains(".key"), "\(name)")
          looked += 1
        }
      }
    }
    #expect(looked > 20)
    for name in Self.names {
      let mode: UInt32 = name.hasSuffix(".key") ? 0o600 : 0o644
      #expect(try files.status(of: "\(path)/keys/\(name)")?.mode == mode)
    }
  }

  @Test func anExistingSetIsNotReplaced() throws {
    try create()
    let before = try root.read("/etc/pve-sb-uki/keys/PK.key")
    #expect(throws: HostError.self) { try create() }
    #expect(try root.read("/etc/pve-sb-uki/keys/PK.key") == before)
    #expect(try root.list("/etc/pve-sb-uki") == ["keys"])
  }

  @Test(arguments: names) func missingFilesAreReported(_ name: String) throws {
    try create()
    let host = try root.host()
    try host.files.remove("\(KeyStore.standardDirectory)/\(name)")
    let state = try KeyStore(of: host).state()
    switch name {
    case "PK.key": #expect(state == .complete(withoutPrivateKeys: [.platformKey]))
    case "KEK.key": #expect(state == .complete(withoutPrivateKeys: [.keyExchangeKey]))
    default:
      guard case .partial(let present, let missing) = state else {
        Issue.record("\(name): \(state)")
        return
      }
      #expect(missing == [name])
      #expect(present.count == Self.names.count - 1)
    }
  }

  @Test(arguments: [("GUID", "no guid\n"), ("GUID", ""), ("PK.crt", "x"), ("db.key", "-----BEGIN PRIVATE KEY-----\n")])
  func damagedFilesAreReported(_ name: String, _ content: String) throws {
    try create()
    try root.write("\(KeyStore.standardDirectory)/\(name)", content)
    let host = try root.host()
    let error = thrown(HostError.self) { try KeyStore(of: host).hierarchy() }
    #expect(error?.path == root.path(of: "\(KeyStore.standardDirectory)/\(name)"))
  }

  @Test func imagesAreSignedWithTheKeyForDb() {
    #expect(KeyStore.standardKeyPath == "/etc/pve-sb-uki/keys/db.key")
    #expect(KeyStore.standardCertificatePath == "/etc/pve-sb-uki/keys/db.crt")
    #expect(KeySource.hostDefault.key == KeyStore.standardKeyPath)
    #expect(KeySource.hostDefault.certificate == KeyStore.standardCertificatePath)
  }

  @Test func theTimeOfTheLastUpdateIsKept() throws {
    try create()
    let store = KeyStore(of: try root.host())
    #expect(try store.lastUpdateTime() == nil)
    try store.recordUpdateTime(1_750_000_001)
    #expect(try store.lastUpdateTime() == 1_750_000_001)
    try root.write("\(KeyStore.standardDirectory)/LAST-UPDATE", "yesterday\n")
    #expect(throws: HostError.self) { try store.lastUpdateTime() }
  }

  @Test func aSigningPairNeedsNoOtherKeys() throws {
    let host = try root.host()
    let set = try KeySet([.signatureDatabase: hierarchy[.signatureDatabase]], owner: hierarchy.owner, passphrase: nil)
    try KeyStore(of: host).install(set, on: host)
    #expect(try root.list(KeyStore.standardDirectory) == ["GUID", "db.crt", "db.key"])
    #expect(try KeyStore(of: host).state() == .signingPair(hasPrivateKey: true))
    #expect(try KeyStore(of: host, privateDirectory: "/media/away").state() == .signingPair(hasPrivateKey: false))
    try host.files.remove("\(KeyStore.standardDirectory)/db.key")
    #expect(
      try KeyStore(of: host).state()
        == .partial(
          present: ["db.crt", "GUID"],
          missing: [
            "PK.key", "PK.crt", "KEK.key", "KEK.crt", "db.key",
          ]))
  }

  @Test func privateKeysOnAMediumThatIsAwayAreNotIncomplete() throws {
    try create()
    let host = try root.host()
    for role in KeyRole.allCases {
      try host.files.remove("\(KeyStore.standardDirectory)/\(KeyStore.keyFile(of: role))")
    }
    let store = KeyStore(of: host, privateDirectory: "/media/away")
    #expect(try store.state() == .complete(withoutPrivateKeys: KeyRole.allCases))
    #expect(store.path(of: "db.key") == "/media/away/db.key")
    #expect(store.path(of: "db.crt") == "\(KeyStore.standardDirectory)/db.crt")
    #expect(try store.owner() == hierarchy.owner)
  }
}
