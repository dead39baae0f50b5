// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import EFIData
package import HostSystem
internal import Messages
package import SigningKeys

/// Carries out a plan; it plans nothing.
///
/// The machine keeps starting at every instant: until PK is written, the firmware is in Setup Mode and rejects nothing,
/// and PK is written only after all that it enforces. After an interruption, a new plan has the remaining steps.
package struct EnrolmentExecutor {
  /// What has happened.
  package enum Event: Sendable {
    /// The variables were kept in this directory.
    case undoWritten(path: String, unreadable: [String])
    /// An earlier run that was interrupted has kept them there.
    case undoKept(path: String)
    /// The variable has the content of the step, read back from the firmware.
    case written(EnrolmentPlan.Step)
    /// Setup Mode has ended; false if the firmware ends it at the next boot.
    case setupModeEnded(Bool)
  }

  /// Where the undo bundle goes.
  package struct Undo: Sendable {
    package var path: String
    package var files: FileSystem
    /// Whether to put a signed update that removes PK into it.
    package var includesRemoval = false

    package init(path: String, in files: FileSystem) {
      self.path = path
      self.files = files
    }
  }

  private let plan: EnrolmentPlan
  private let keys: KeyHierarchy
  private let store: KeyStore
  private let host: Host

  package init(_ plan: EnrolmentPlan, signedBy keys: KeyHierarchy, of store: KeyStore, on host: Host) {
    self.plan = plan
    self.keys = keys
    self.store = store
    self.host = host
  }

  /// Signs all updates, keeps the old variables, records the time, then writes one variable after the other.
  ///
  /// Throws `EFIVariableError` if the firmware rejects a write or does not keep it, `HostError` or `CryptoError` before
  /// the first one.
  package func execute(undo: Undo, reporting report: (Event) throws -> Void) throws {
    let updates = try plan.steps.map { step in
      try keys.update(
        of: step.variable, attributes: step.attributes, payload: step.payload, at: plan.time, by: step.authority)
    }
    var record = try keep(undo, report)
    // Later than the time stamps, which is also the time of an update that removes PK.
    try store.recordUpdateTime(plan.time + 1)
    for (step, update) in zip(plan.steps, updates) {
      try host.variables.write(
        step.variable.fileName, update: update, attributes: step.attributes, replacing: step.old)
      try report(.written(step))
    }
    if plan.steps.contains(where: { $0.variable == .platformKey }) {
      try report(.setupModeEnded(FirmwareLists(readingFrom: host.variables).setupMode != true))
    }
    record.finished = host.now()
    try record.save(to: host.files)
  }

  /// Marks an enrolment as finished whose last write an interrupted run has made.
  ///
  /// Nothing changes if it is finished already. Throws `HostError`.
  package static func finish(on host: Host) throws {
    guard var record = try? EnrolmentRecord.load(from: host.files), record.finished == nil else { return }
    record.finished = host.now()
    try record.save(to: host.files)
  }

  /// Writes the undo bundle, unless an interrupted run has done so, and the record that names it.
  private func keep(_ undo: Undo, _ report: (Event) throws -> Void) throws -> EnrolmentRecord {
    let roles = plan.isAppend ? [.signatureDatabase] : KeyRole.allCases
    let certificates = try roles.reduce(into: [KeyRole: String]()) { all, role in
      all[role] = try keys.certificate(of: role).fingerprint().hexadecimal
    }
    if let record = try? EnrolmentRecord.load(from: host.files), record.finished == nil,
      UndoBundle.exists(at: record.undo, in: undo.files) || UndoBundle.exists(at: record.undo, in: host.files)
    {
      try report(.undoKept(path: record.undo))
      return EnrolmentRecord(undo: record.undo, started: record.started, certificates: certificates)
    }
    let removal = try undo.includesRemoval ? keys.platformKeyRemoval(at: plan.time + 1) : nil
    let bundle = try UndoBundle.write(
      to: undo.path, in: undo.files, from: host.variables, steps: plan.steps, removalUpdate: removal)
    let record = EnrolmentRecord(undo: bundle.path, started: host.now(), certificates: certificates)
    try record.save(to: host.files)
    try report(.undoWritten(path: undo.files.display(bundle.path), unreadable: bundle.unreadable))
    return record
  }
}
