// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import Glibc
import HostCommands
import HostScenes
import HostSystem
import KeyEnrolment
internal import Messages
import SigningKeys
import Synchronization
import TestSupport
import Testing

/// Whichever write fails or is the last: PK is never enforced before the lists that it enforces, and the next run
/// finishes.
@Suite struct EnrolFaultTests {
  /// How many changes a whole run makes.
  private func changes() throws -> Int {
    let recorder = MutationRecorder()
    let scene = try EnrolScene()
    try scene.run(on: scene.host(recorder.gate))
    return recorder.mutations.count
  }

  /// Promise I1: with PK, the firmware rejects what db does not have.
  private func isSafe(_ scene: EnrolScene) throws -> Bool {
    func has(_ role: KeyRole) throws -> Bool { try scene.file(role.variable) == scene.expected(role) }
    if try scene.file(.platformKey)?.isEmpty ?? true { return true }
    return try has(.signatureDatabase) && has(.keyExchangeKey)
  }

  @Test(.enabled(if: SlowTests.run), arguments: [EIO, ENOSPC, EINVAL]) func atEveryChange(number: Int32) throws {
    let count = try changes()
    #expect(count > 20)
    var resumed = 0
    // The error number changes little, so that the others are tried at every third change.
    for change in stride(from: 1, through: count, by: number == EIO ? 1 : 3) {
      // As in a power cut: this change and all later ones fail.
      for fault in number == EIO ? [MutationRecorder.Fault.only(change), .from(change)] : [.only(change)] {
        let scene = try EnrolScene()
        let original = try scene.directory.list(EFIVariableStore.directory)
        #expect(throws: (any Error).self, "change \(change)") {
          try scene.run(on: scene.host(MutationRecorder(fault, errno: number).gate))
        }
        #expect(try isSafe(scene), "change \(change)")
        let outcome = try scene.run()
        #expect(try scene.isEnrolled() && outcome.plan.refusals.isEmpty, "change \(change)")
        // The first bundle has the variables from before the first run.
        let record = try #require(try EnrolmentRecord.load(from: scene.host().files))
        #expect(record.finished != nil, "change \(change)")
        let kept = try scene.directory.list(record.undo).filter { $0 != "README" }
        #expect(kept == original, "change \(change)")
        resumed += 1
      }
    }
    print("enroll --firmware: error \(number) at each of \(count) changes: \(resumed) finished")
  }

  /// The last write was made, but the run did not get to note it.
  @Test func aRunThatEndedAfterPKIsFinishedByTheNext() throws {
    let scene = try EnrolScene()
    let path = EnrolmentRecord.path
    let isArmed = Mutex(false)
    #expect(throws: HostError.self) {
      try scene.run(
        on: scene.host { mutation in
          if mutation.path.hasSuffix(EFIVariableName.platformKey.fileName) { isArmed.withLock { $0 = true } }
          if isArmed.withLock({ $0 }), mutation.path.hasPrefix("/var/lib") {
            throw HostError("change", path, errno: EIO)
          }
        })
    }
    try scene.mirror.put(.setupMode, [0])
    #expect(try EnrolmentRecord.load(from: scene.host().files)?.finished == nil)
    #expect(try !scene.run().plan.isChange)
    #expect(try EnrolmentRecord.load(from: scene.host().files)?.finished != nil)
  }

  enum Misbehaviour: CaseIterable, Sendable {
    case ignored, truncated, empty
  }

  /// The write succeeds, and reading back returns something else.
  @Test(arguments: Misbehaviour.allCases, KeyRole.allCases)
  func firmwareThatDoesNotKeepAWriteIsDetected(_ kind: Misbehaviour, _ role: KeyRole) throws {
    let scene = try EnrolScene()
    let name = "\(EFIVariableStore.directory)/\(role.variable.fileName)"
    let path = scene.directory.path(of: name)
    let expected = try scene.expected(role)
    let error = thrown(EFIVariableError.self) {
      try scene.run(
        on: scene.host { mutation in
          guard mutation.kind == .write, mutation.path == name else { return }
          // The write goes to the open file, and the name then refers to another one.
          rename(path, path + ".gone")
          switch kind {
          case .ignored: break
          case .truncated: try scene.directory.write(name, expected.dropLast(100))
          case .empty: try scene.directory.write(name, [])
          }
        })
    }
    #expect(error?.cause == .notKept && error?.variable == role.name)
    #expect(error?.hint?.contains("enroll --stage") == true)
    #expect(try isSafe(scene) || role == .platformKey)
    try scene.run()
    #expect(try KeyRole.allCases.allSatisfy { try scene.file($0.variable) == scene.expected($0) })
  }

  @Test func dbxFromTheFirstBundleIsRestored() throws {
    let scene = try EnrolScene()
    try scene.putFactory(.forbiddenDatabase)
    let name = EFIVariableName.keyExchangeKey.fileName
    #expect(throws: EFIVariableError.self) {
      try scene.run(
        on: scene.host { if $0.path.hasSuffix(name) { throw HostError("write", $0.path, errno: EIO) } })
    }
    try scene.host().files.remove("\(EFIVariableStore.directory)/\(EFIVariableName.forbiddenDatabase.fileName)")
    let outcome = try scene.run()
    #expect(outcome.written == ["KEK", "dbx", "PK"])
    #expect(try scene.file(.forbiddenDatabase) == [0x27, 0, 0, 0] + EnrolScene.factoryData(.forbiddenDatabase))
  }
}
