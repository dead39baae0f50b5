// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import HostCommands
import HostSystem
internal import Messages

extension MachineState {
  /// The state of a host as text; empty if it cannot be determined, which `status` reports.
  static func localText(on host: Host) -> String { (try? MachineState(of: host))?.localText ?? "" }

  /// The state in the user's language: at most 80 columns, but the command in one line, so that it can be pasted.
  var localText: String {
    let state: Message = "State: \(title)"
    let next = nextCommand.map { command -> String in ("Next: \(command)" as Message).localLine }
    return Self.wrapped(state.localText, indentation: "")
      + lines.map { Self.wrapped($0.localText, indentation: "  ") }.joined() + (next ?? "")
  }

  private static func wrapped(_ text: String, indentation: String) -> String {
    var output = ""
    var line = indentation
    var isEmpty = true
    for word in text.split(separator: " ") {
      if !isEmpty, line.count + 1 + word.count > 80 {
        output += line + "\n"
        line = indentation + "  "
        isEmpty = true
      }
      line += isEmpty ? String(word) : " \(word)"
      isEmpty = false
    }
    return output + line + "\n"
  }
}
