// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem
internal import Messages

/// How every program here says that something failed: on standard error, also with --json.
package enum ErrorReport {
  /// `PROGRAM: error: SENTENCE`, then `hint: …` where the error knows what to do.
  package static func text(_ error: any Error, program: String) -> String {
    let hint = (error as? any HintedError)?.hint
    let lines: [Message] = ["\(program): error: \(error)"] + (hint.map { ["hint: \($0)"] } ?? [])
    return lines.localLines.terminalText
  }

  /// Writes the report.
  ///
  /// Nothing can be done if standard error is closed.
  package static func write(_ error: any Error, program: String) {
    try? StandardStream.error.write(text(error, program: program))
  }
}
