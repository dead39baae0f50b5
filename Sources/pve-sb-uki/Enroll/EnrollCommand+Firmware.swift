// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
import KeyEnrolment
internal import Messages

struct FirmwareOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Certificates of others in db and KEK: keep those that are there, take the factory's, or none",
      valueName: "keep|default|none"))
  var vendor = EnrolmentGoal.Vendor.keep

  @Option(
    name: .customLong("add-db"),
    help: ArgumentHelp("Also put this certificate or .esl file into db; may be repeated", valueName: "file"),
    completion: .file())
  var additions: [String] = []

  @Flag(help: "Only add to db, signed by KEK; for a firmware whose PK is the vendor's")
  var append = false

  @Option(
    help: ArgumentHelp("Keep the old variables in this directory, not in /var/lib/pve-sb-uki/undo", valueName: "dir"),
    completion: .directory)
  var undo: String?

  @Flag(help: "Put noPK.auth into the undo bundle, with which anyone can turn Secure Boot off")
  var undoWithNoPk = false

  @Flag(help: "Accept that boot paths which start now are rejected afterwards")
  var loseBootPaths = false

  @Flag(help: "Accept that the TPM stops unlocking disks")
  var loseTpmUnlock = false

  @Flag(help: "Accept that the firmware of plug-in cards is rejected")
  var loseOptionRoms = false

  @Flag(help: "Accept that the firmware's store of variables gets full")
  var riskFullNvram = false

  var risks: Set<EnrolmentGoal.Risk> {
    let accepted: [(EnrolmentGoal.Risk, Bool)] = [
      (.bootPaths, loseBootPaths), (.unlocking, loseTpmUnlock), (.optionROMs, loseOptionRoms),
      (.variableRoom, riskFullNvram),
    ]
    return Set(accepted.filter(\.1).map(\.0))
  }

  func validate() throws {
    guard undo?.hasPrefix("/") != false else {
      throw ValidationError(saying: "--undo needs an absolute path")
    }
    guard !append || vendor == .keep else {
      throw ValidationError(saying: "--append keeps the vendor's certificates; omit --vendor")
    }
  }
}

extension EnrolmentGoal.Vendor: ExpressibleByArgument {}

extension EnrollCommand {
  func enrollInFirmware(on host: Host) throws {
    var enrolment = EnrolFirmware()
    enrolment.vendor = firmware.vendor
    enrolment.additions = firmware.additions
    enrolment.isAppend = firmware.append
    enrolment.risks = firmware.risks
    enrolment.undo = firmware.undo
    enrolment.includesRemoval = firmware.undoWithNoPk
    if dryRun {
      let plan = try enrolment.plan(on: host)
      try report(plan, isDone: false, done: [])
      return try conclude(plan)
    }
    guard yes || host.terminal.isThere() else {
      throw ValidationError(saying: "without a terminal to ask, 'enroll --firmware' needs --yes")
    }
    var events: [EnrolmentExecutor.Event] = []
    var wasShown = false
    let (plan, isDone) = try enrolment.run(on: host) { plan in
      try show(plan)
      wasShown = true
      return try isConfirmed(on: host)
    } reporting: { event in
      events.append(event)
      if !global.json { try global.print(event.lines.localLines, json: .null) }
    }
    if global.json {
      try report(plan, isDone: isDone, done: events)
    } else if !wasShown {
      try show(plan)
    }
    try conclude(plan)
    guard plan.isChange, !global.json else { return }
    try global.print(isDone ? plan.nextLines.localLines : ("Nothing was written." as Message).localLine, json: .null)
  }

  private func isConfirmed(on host: Host) throws -> Bool {
    if yes { return true }
    return try host.terminal.confirms("Write these variables to the firmware? [y/N] ")
  }

  private func show(_ plan: EnrolmentPlan) throws {
    if !global.json { try report(plan, isDone: false, done: []) }
  }

  private func report(_ plan: EnrolmentPlan, isDone: Bool, done: [EnrolmentExecutor.Event]) throws {
    for note in plan.notes where !isDone { try global.note(note) }
    try global.print(plan.lines.localLines, json: plan.json(isDryRun: dryRun, isDone: isDone, events: done))
  }

  /// Throws if the plan has refusals.
  private func conclude(_ plan: EnrolmentPlan) throws {
    guard !plan.refusals.isEmpty else { return }
    for refusal in plan.refusals { ErrorReport.write(refusal, program: "pve-sb-uki") }
    throw ExitCode(1)
  }
}
