// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostCommands
import HostSystem
import Reconcile
import TestSupport

/// `fault-runner ROOT apply|keys FAULT NUMBER`: runs `apply` or `keys create` in a root that simulates a running
/// machine.
///
/// The fault happens at the change with that number, from 1. Prints the number of attempted changes.
@main
struct FaultRunner {
  private enum Fault: String {
    case none
    case EIO, ENOSPC
    case SIGKILL, SIGTERM
    /// A fault in the program itself: an arithmetic overflow, the same with another exit code, and endless recursion.
    case trap
    case strictTrap = "strict-trap"
    case recursion
  }

  static func main() throws {
    let arguments = ProcessArguments.all
    guard arguments.count == 5, let fault = Fault(rawValue: arguments[3]), let number = Int(arguments[4]) else {
      exit(2)
    }
    ProcessSetup.perform()
    // swift test ignores or blocks SIGTERM, and its children inherit that.
    signal(Glibc.SIGTERM, SIG_DFL)
    var nothing = sigset_t()
    sigemptyset(&nothing)
    sigprocmask(SIG_SETMASK, &nothing, nil)
    CrashReport.enable(printing: "crashed\n")
    let fails = fault == .EIO || fault == .ENOSPC
    let recorder = MutationRecorder(fails ? .only(number) : .none, errno: fault == .ENOSPC ? ENOSPC : EIO)
    let host = try MirroredMachine.host(root: arguments[1]) { mutation in
      if recorder.mutations.count + 1 == number { strike(fault, number) }
      try recorder.gate(mutation)
    }
    let isDone = (try? run(arguments[2], on: host)) ?? false
    print(recorder.mutations.count)
    exit(isDone ? 0 : 1)
  }

  /// Returns whether there were no failures.
  private static func run(_ command: String, on host: Host) throws -> Bool {
    command == "keys" ? try KeysCreate().run(on: host).wasCreated : try Apply.run(on: host).failures.isEmpty
  }

  private static func strike(_ fault: Fault, _ number: Int) {
    switch fault {
    case .none, .EIO, .ENOSPC: break
    case .SIGKILL: kill(getpid(), Glibc.SIGKILL)
    case .SIGTERM: kill(getpid(), Glibc.SIGTERM)
    case .strictTrap:
      CrashReport.setExitCode(1)
      fallthrough
    case .trap: print(Int.max - 1 + number)
    case .recursion: print(depth(number))
    }
  }

  private static func depth(_ number: Int) -> Int { number == 0 ? 0 : 1 + depth(number + 1) }
}
