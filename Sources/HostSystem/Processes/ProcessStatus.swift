// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The status of a process from `/proc/PID/stat` (proc_pid_stat(5)).
package struct ProcessStatus: Hashable, Sendable {
  package var number: Int
  /// PID of the parent process; 0 if there is none.
  package var parent: Int
  /// Clock ticks from boot to its start.
  ///
  /// PIDs are reused, but the PID and this value together are unique.
  package var startTime: UInt64

  package init(number: Int, parent: Int, startTime: UInt64) {
    self.number = number
    self.parent = parent
    self.startTime = startTime
  }

  /// Parses a stat file; nil if it is invalid.
  ///
  /// The program's name is in parentheses and may itself contain parentheses and spaces.
  package init?(parsing text: String) {
    guard let open = text.utf8.firstIndex(of: UInt8(ascii: "(")),
      let close = text.utf8.lastIndex(of: UInt8(ascii: ")")),
      open < close
    else { return nil }
    let fields = text[close...].dropFirst().split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard fields.count >= 20, let number = Int(text[..<open].split(separator: " ").joined()), number > 0,
      let parent = Int(fields[1]), parent >= 0, let startTime = UInt64(fields[19])
    else { return nil }
    self.init(number: number, parent: parent, startTime: startTime)
  }
}

extension FileSystem {
  /// The process with that PID; nil if it does not exist, or without procfs.
  package func process(_ number: Int) throws -> ProcessStatus? { try process(named: "\(number)") }

  /// This process and its ancestors, the nearest first; empty without procfs.
  package func processesAbove() throws -> [ProcessStatus] {
    var line: [ProcessStatus] = []
    var next = try process(named: "self")
    // PIDs could be reused during the loop and form a cycle, so its length is limited.
    while let process = next, line.count < 256 {
      line.append(process)
      next = process.parent > 0 ? try self.process(process.parent) : nil
    }
    return line
  }

  private func process(named name: String) throws -> ProcessStatus? {
    try readTextIfPresent("/proc/\(name)/stat", limit: 1 << 16).flatMap { ProcessStatus(parsing: $0) }
  }
}
