// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import Glibc
import HostSystem
internal import Messages
import TestSupport
import Testing

@Suite struct EFIVariableStoreTests {
  static let vendor = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
  static let name = "Boot0001-\(vendor)"
  let directory: TemporaryDirectory
  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("\(EFIVariableStore.directory)/other", [7, 0, 0, 0])
  }

  private func store(_ gate: @escaping Mutation.Gate = { _ in }) throws -> EFIVariableStore {
    EFIVariableStore(of: try directory.host(gate: gate).files)
  }
  private func content() throws -> [UInt8]? { try directory.read("\(EFIVariableStore.directory)/\(Self.name)") }
  private func cause(_ body: () throws -> Void) -> EFIVariableError.Cause? {
    let error = thrown(EFIVariableError.self, by: body)
    #expect(error == nil || error?.variable == "Boot0001")
    return error?.cause
  }

  @Test func variablesAreCreatedChangedAndRemoved() throws {
    let store = try store()
    #expect(try store.read(Self.name) == nil)
    try store.write(Self.name, content: [7, 0, 0, 0, 1, 2, 3], replacing: nil)
    #expect(try store.read(Self.name) == [7, 0, 0, 0, 1, 2, 3])
    try store.write(Self.name, content: [7, 0, 0, 0, 9], replacing: [7, 0, 0, 0, 1, 2, 3])
    #expect(try content() == [7, 0, 0, 0, 9])
    #expect(try store.names() == [Self.name, "other"])
    try store.remove(Self.name, holding: [7, 0, 0, 0, 9])
    #expect(try content() == nil)
    try store.remove(Self.name, holding: [7, 0, 0, 0, 9])
    #expect(try store.names() == ["other"])
  }

  @Test func concurrentChangesAreNotOverwritten() throws {
    let store = try store()
    #expect(cause { try store.write(Self.name, content: [1], replacing: [2]) } == .changed)
    #expect(try content() == nil)
    try store.write(Self.name, content: [7, 0, 0, 0, 1], replacing: nil)
    #expect(cause { try store.write(Self.name, content: [7, 0, 0, 0, 2], replacing: nil) } == .changed)
    #expect(cause { try store.write(Self.name, content: [7, 0, 0, 0, 2], replacing: [7, 0, 0, 0, 3]) } == .changed)
    #expect(cause { try store.remove(Self.name, holding: [7, 0, 0, 0, 3]) } == .changed)
    #expect(try content() == [7, 0, 0, 0, 1])
    try store.remove(Self.name, holding: nil)
    #expect(try content() == nil)
  }

  @Test func anEmptyFileIsNotAVariable() throws {
    try directory.write("\(EFIVariableStore.directory)/\(Self.name)", "")
    #expect(try store().read(Self.name) == nil)
    try store().write(Self.name, content: [7, 0, 0, 0, 1], replacing: nil)
    #expect(try content() == [7, 0, 0, 0, 1])
  }

  @Test func aChangeIsASingleWrite() throws {
    let recorder = MutationRecorder()
    let store = try store(recorder.gate)
    try store.write(Self.name, content: [UInt8](repeating: 7, count: 5000), replacing: nil)
    #expect(recorder.mutations.map(\.kind) == [.create, .write])
    try store.write(Self.name, content: [7], replacing: [UInt8](repeating: 7, count: 5000))
    #expect(recorder.mutations.map(\.kind) == [.create, .write, .write])
  }

  @Test(arguments: [
    (EROFS, EFIVariableError.Cause.readOnly, "remount,rw"), (ENOSPC, .storeFull(dumps: 0), "boot forget"),
    (EINVAL, .refused(EINVAL), "firmware update"), (EIO, .refused(EIO), "firmware update"),
  ])
  func writeErrorsGiveAHint(number: Int32, cause: EFIVariableError.Cause, hint: String) throws {
    for kind in [Mutation.Kind.create, .write] {
      let store = try store { if $0.kind == kind { throw HostError("write", $0.path, errno: number) } }
      let error = thrown(EFIVariableError.self) { try store.write(Self.name, content: [1], replacing: nil) }
      #expect(error?.cause == cause && error?.hint?.contains(hint) == true)
      #expect(try content() == nil)
    }
    try store().write(Self.name, content: [1], replacing: nil)
    let store = try store { if $0.kind == .remove { throw HostError("remove", $0.path, errno: number) } }
    let error = thrown(EFIVariableError.self) { try store.remove(Self.name, holding: [1]) }
    #expect(error == EFIVariableError("remove", "Boot0001", cause))
    #expect(try content() == [1])
  }

  @Test func crashDumpsAreReportedAsTheCauseOfAFullStore() throws {
    for number in 1...3 {
      try directory.write("\(EFIVariableStore.directory)/dump-type0-\(number)-1-1-C-cfc8fc79", [7, 0, 0, 0])
    }
    let store = try store { throw HostError("write", $0.path, errno: ENOSPC) }
    let error = try #require(thrown(EFIVariableError.self) { try store.write(Self.name, content: [1], replacing: nil) })
    #expect(error.cause == .storeFull(dumps: 3))
    #expect(
      "\(error)"
        == "cannot write firmware variable Boot0001: the firmware's variable store is full; kernel crash "
        + "dumps in it (dump-type0-*): 3")
    #expect(error.hint?.hasSuffix("rm /sys/firmware/efi/efivars/dump-type0-*") == true)
  }

  /// The firmware accepts a change but does not keep it: here the change is undone between writing and reading back.
  @Test func aWriteThatDoesNotPersistIsDetected() throws {
    try directory.write("\(EFIVariableStore.directory)/\(Self.name)", [1])
    let path = directory.path(of: "\(EFIVariableStore.directory)/\(Self.name)")
    // The write goes to the open file; the name then refers to another file.
    let store = try store { mutation in
      if mutation.kind == .write { rename(path, path + ".gone") }
    }
    #expect(cause { try store.write(Self.name, content: [2], replacing: [1]) } == .notKept)
  }

  @Test func withoutEfivarfsThereIsAHint() throws {
    let empty = try TemporaryDirectory()
    let store = EFIVariableStore(of: try empty.host().files)
    #expect(try !store.isPresent)
    #expect(thrown(EFIVariableError.self) { try store.names() }?.cause == .noFirmware)
    try empty.write("sys/firmware/efi/fw_platform_size", "64")
    #expect(thrown(EFIVariableError.self) { try store.names() }?.cause == .notMounted)
    let error = thrown(EFIVariableError.self) { try store.write(Self.name, content: [1], replacing: nil) }
    #expect(error?.cause == .notMounted && error?.hint?.contains("mount -t efivarfs") == true)
  }

  @Test func aSymbolicLinkIsNotFollowed() throws {
    try directory.write("elsewhere", [1])
    symlink("/elsewhere", directory.path(of: "\(EFIVariableStore.directory)/\(Self.name)"))
    #expect(cause { try store().write(Self.name, content: [2], replacing: [1]) } == .refused(ELOOP))
    #expect(try directory.read("elsewhere") == [1])
  }
}

/// Updates of authenticated variables; a plain directory keeps what firmware would keep.
@Suite struct AuthenticatedWriteTests {
  private static let name = EFIVariableName.signatureDatabase.fileName
  private let directory: TemporaryDirectory
  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("\(EFIVariableStore.directory)/other", [7, 0, 0, 0])
  }

  private func update(_ payload: [UInt8]) throws -> AuthenticatedVariable {
    AuthenticatedVariable(
      time: try #require(EFITime(unixSeconds: 1_700_000_000)), signature: [0x30, 0x82], payload: payload)
  }
  private func list(_ byte: UInt8) -> [UInt8] {
    SignatureDatabase(certificates: [[byte, byte]], owner: EFIVariableName.globalVendor).serialize()
  }
  private func content() throws -> [UInt8]? { try directory.read("\(EFIVariableStore.directory)/\(Self.name)") }

  @Test func thePayloadIsKept() throws {
    let store = EFIVariableStore(of: try directory.host().files)
    try store.write(Self.name, update: update(list(1)), attributes: .keyDatabase, replacing: nil)
    #expect(try content() == [0x27, 0, 0, 0] + list(1))
    let appending = EFIVariableAttributes.keyDatabase.union(.appendWrite)
    try store.write(Self.name, update: update(list(2)), attributes: appending, replacing: content())
    #expect(try content() == [0x27, 0, 0, 0] + list(1) + list(2))
    try store.write(Self.name, update: update(list(3)), attributes: .keyDatabase, replacing: content())
    #expect(try content() == [0x27, 0, 0, 0] + list(3))
  }

  @Test func aConcurrentChangeIsNotOverwritten() throws {
    let store = EFIVariableStore(of: try directory.host().files)
    try directory.write("\(EFIVariableStore.directory)/\(Self.name)", [0x27, 0, 0, 0] + list(9))
    let error = thrown(EFIVariableError.self) {
      try store.write(Self.name, update: try update(list(1)), attributes: .keyDatabase, replacing: nil)
    }
    #expect(error?.cause == .changed && error?.variable == "db")
  }

  @Test(arguments: [EINVAL, EIO, ENOSPC]) func rejectionsNameTheOtherRoad(number: Int32) throws {
    let store = EFIVariableStore(
      of: try directory.host { if $0.kind == .write { throw HostError("write", $0.path, errno: number) } }.files)
    let error = thrown(EFIVariableError.self) {
      try store.write(Self.name, update: try update(list(1)), attributes: .keyDatabase, replacing: nil)
    }
    #expect(error?.cause == (number == ENOSPC ? .storeFull(dumps: 0) : .refused(number)))
    #expect(error?.hint?.contains(number == ENOSPC ? "enroll --firmware" : "enroll --stage") == true)
    #expect(try content() == nil)
  }
}
