// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import Glibc
import HostSystem
import Reconcile
import TestSupport

/// `fault-runner ROOT kill|fail|none NUMBER`: runs `apply` in a root that simulates a running machine.
///
/// The change with that number, from 1, fails or kills the process. Prints the number of attempted changes.
@main
struct FaultRunner {
  static func main() throws {
    let arguments = ProcessArguments.all
    guard arguments.count == 4, let number = Int(arguments[3]) else { exit(2) }
    let fault: MutationRecorder.Fault = arguments[2] == "fail" ? .only(number) : .none
    let recorder = MutationRecorder(fault)
    let isDeadly = arguments[2] == "kill"
    let host = try MirroredMachine.host(root: arguments[1]) { mutation in
      if isDeadly, recorder.mutations.count + 1 == number { kill(getpid(), SIGKILL) }
      try recorder.gate(mutation)
    }
    let failures = try? Apply.run(on: host).failures
    print(recorder.mutations.count)
    exit(failures?.isEmpty == true ? 0 : 1)
  }
}
