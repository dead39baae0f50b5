// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A process as `/proc/PID/stat` tells of it (proc_pid_stat(5)).
package struct ProcessStatus: Hashable, Sendable {
  package var number: Int
  /// Number of the process that started it; 0 if none did.
  package var parent: Int
  /// Clock ticks from boot to its start.
  ///
  /// A number is given again, together with this it is not.
  package var startTime: UInt64

  package init(number: Int, parent: Int, startTime: UInt64) {
    self.number = number
    self.parent = parent
    self.startTime = startTime
  }

  /// Nil for a text of another form.
  ///
  /// The program's name stands in parentheses and may hold some itself, and spaces.
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
  /// The process of that number; nil if there is none, or no procfs.
  package func process(_ number: Int) throws -> ProcessStatus? { try process(named: "\(number)") }

  /// This process and those above it, the nearest first; nothing where there is no procfs.
  package func processesAbove() throws -> [ProcessStatus] {
    var line: [ProcessStatus] = []
    var next = try process(named: "self")
    // Numbers above could be given again while this looks, so that the line would not end.
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
