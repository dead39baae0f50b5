// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

/// One line on the terminal that says what is being done, replaced by the next one and by any other output.
package enum ProgressLine {
  /// Shows the steps of `host` on standard error, if that is a terminal that can erase a line.
  package static func follow(_ host: inout Host) {
    let name = host.environment("TERM") ?? "dumb"
    guard StandardStream.error.isTerminal, name != "dumb" else { return }
    host.terminal.prepare = end
    host.isWatched = true
    let width = StandardStream.error.columns ?? 80
    host.progress = { step in
      // The cursor stays at the start, where the next output begins.
      try? StandardStream.error.write("\(eraser)\(step.localText.prefix(width - 1))\r")
    }
  }

  /// Erases the line before other output.
  package static func end() {
    if StandardStream.error.isTerminal { try? StandardStream.error.write(eraser) }
  }

  /// Erases from the cursor to the end of the line (ECMA-48, EL).
  private static let eraser = "\u{1b}[K"
}
