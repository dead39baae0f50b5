// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import Messages

struct StageOptions: ParsableArguments {
}

extension EnrollCommand {
  func stage(on host: Host, isAutomatic: Bool) throws {
    throw Failure("not available yet")
  }
}
