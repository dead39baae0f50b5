// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import HostCommands
import HostSystem
internal import Messages

extension MachineState {
  /// The state of a host as `status` shows it; empty if it cannot be determined, which `status` reports.
  static func text(on host: Host) -> String { (try? MachineState(of: host))?.pageText ?? "" }

  /// The state and the next command on a page.
  var pageText: String {
    Page().text(of: [
      Page.Section("State", [title] + lines),
      Page.Section("Next", [nextCommand].compactMap { $0 }, isWrapped: false),
    ])
  }
}
