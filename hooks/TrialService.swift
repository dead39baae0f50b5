// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
internal import HostSystem
internal import Messages
internal import Reconcile

/// What systemd calls during a boot: the generator, the confirmation of the boot, and the test of a way out.
///
/// None of them makes a boot fail: errors go to the journal.
struct TrialService {
  let program: HookProgram
  let call: HookCall

  func run() -> Int32 {
    do {
      switch call.place {
      case .generator:
        guard let directory = call.arguments.first else { return 0 }
        try TrialBoot.generate(in: directory, on: program.host)
      case .bootOK:
        guard try BootConfirmer(on: program.host).run() else { return 0 }
        program.printLine("\(HookProgram.name): this boot is confirmed")
        _ = program.reconcile()
      default: try TrialBoot.startTest(on: program.host)
      }
      return 0
    } catch {
      program.say(ErrorReport.text(error, program: HookProgram.name))
      return 1
    }
  }
}
