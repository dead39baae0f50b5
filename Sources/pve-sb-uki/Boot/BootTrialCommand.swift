// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import Cryptography
import HostCommands
internal import Messages
internal import Reconcile

struct BootTrialCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trial",
    abstract: "Try a UKI at the next boot, once",
    discussion: """
      If that boot is not confirmed, the machine restarts by itself and boots the UKI that was first before. Needs \
      Promotion=trial, with which new UKIs are tried without this command. Without a kernel: the UKI that waits for its \
      trial, also if an earlier one has failed.
      """)

  @OptionGroup var global: GlobalOptions

  @Argument(help: ArgumentHelp("Kernel release", valueName: "kernel"), completion: .kernels)
  var kernel: String?

  @Flag(help: "Test at the next boot whether a dead boot restarts this machine; once for each way")
  var selfTest = false

  func validate() throws {
    guard kernel == nil || !selfTest else { throw ValidationError(saying: "specify a kernel or --self-test, not both") }
  }

  func run() throws {
    let host = try global.hostOfRoot()
    guard selfTest else {
      let request = try BootTrial().request(kernel, on: host)
      return try arm("kernel \(request.kernel) is tried at the next boot")
    }
    let request = try BootTrial().requestTest(on: host)
    let lines = SelfTest(on: host).lines
    guard let request, let test = request.test else {
      return try global.print(
        (lines + ["This machine comes back from a dead boot in all of these ways."]).localLines,
        json: SelfTest(on: host).json)
    }
    if !global.json { try global.print(lines.localLines, json: .null) }
    try arm(test.announcement)
  }

  /// Lets `apply` tell the firmware, and says what happens next.
  private func arm(_ announcement: Message) throws {
    var apply = try ApplyCommand.parse([])
    apply.global = global
    let result = try apply.perform { _ in }
    try apply.report(result)
    try apply.conclude(result)
    guard result.plan?.trial != nil else {
      throw Failure(
        "the firmware was not told to try it: something else boots next",
        hint: "see 'pve-sb-uki boot list'; to clear BootNext: efibootmgr --delete-bootnext")
    }
    guard !global.json else { return }
    try global.print(([announcement, "To start: systemctl reboot"] as [Message]).localLines, json: .null)
  }
}

extension ResetTest {
  fileprivate var announcement: Message {
    switch self {
    case .panic:
      """
      After the next start, the kernel panics once on purpose, and this machine must come back within minutes. Stop its \
      guests first.
      """
    case .watchdog:
      """
      After the next start, the first process stops once on purpose, and the watchdog must restart this machine within \
      minutes. Stop its guests first.
      """
    case .deadline:
      """
      The next start is not confirmed on purpose, and this machine must restart after TrialSeconds=. Do not start \
      guests in it.
      """
    }
  }

  fileprivate var title: Message {
    switch self {
    case .panic: "kernel panic"
    case .watchdog: "watchdog"
    case .deadline: "deadline"
    }
  }
}

extension SelfTest {
  fileprivate var lines: [Message] {
    tests.map { test, state in
      switch state {
      case .passed(let time): "\(test.title): proven at \(CalendarDate(seconds: time).description)"
      case .late(let time):
        "\(test.title): came back late at \(CalendarDate(seconds: time).description), perhaps restarted by a person"
      case .open: "\(test.title): not tested yet"
      case .unavailable(let reason): "\(test.title): cannot be tested: \(reason)"
      }
    }
  }

  fileprivate var json: JSONValue {
    .object([
      "tests": .array(
        tests.map { test, state in
          .object(["test": .string(test.rawValue), "state": .string(state.word)])
        }), "next": JSONValue(next?.rawValue),
    ])
  }
}

extension SelfTest.State {
  fileprivate var word: String {
    switch self {
    case .passed: "passed"
    case .late: "late"
    case .open: "open"
    case .unavailable: "unavailable"
    }
  }
}
