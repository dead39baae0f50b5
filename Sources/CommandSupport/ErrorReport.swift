// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

/// Reports errors in the same form for all programs: on standard error, also with --json.
package enum ErrorReport {
  /// `PROGRAM: error: MESSAGE`, then `hint: …` if the error has a hint.
  package static func text(_ error: any Error, program: String) -> String {
    let hint = (error as? any HintedError)?.hint
    let lines: [Message] = ["\(program): error: \(error)"] + (hint.map { ["hint: \($0)"] } ?? [])
    return lines.localLines.terminalText
  }

  /// Writes the report.
  ///
  /// Failures are ignored: standard error may be closed.
  package static func write(_ error: any Error, program: String) {
    ProgressLine.end()
    try? StandardStream.error.write(text(error, program: program))
  }
}
