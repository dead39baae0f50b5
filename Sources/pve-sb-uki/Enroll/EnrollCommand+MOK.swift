// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import Messages

struct MOKOptions: ParsableArguments {
}

extension EnrollCommand {
  func requestMOK(on host: Host) throws {
    throw Failure("not available yet")
  }
}
