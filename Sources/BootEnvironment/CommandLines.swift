// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// The command lines of a host's kernels, read once. What is wrong with one kernel's own concerns that kernel alone.
package struct CommandLines: Sendable {
  private let common: Result<CommandLine, any Error>
  private let own: [Kernel: Result<CommandLine, any Error>]

  /// Reads the lines for `kernels`. Throws as `CommandLine.init(of:)` if all of them miss the common one.
  package init(of files: FileSystem, for kernels: [Kernel]) throws {
    var own: [Kernel: Result<CommandLine, any Error>] = [:]
    for kernel in kernels {
      let override = Result { try CommandLine.override(for: kernel, in: files) }
      switch override {
      case .success(nil): break
      case .success(let part?): own[kernel] = .success(CommandLine(parts: [part]))
      case .failure(let error): own[kernel] = .failure(error)
      }
    }
    self.own = own
    common = Result { try CommandLine(of: files) }
    if own.isEmpty, !kernels.isEmpty { _ = try common.get() }
  }

  /// Throws what kept that kernel's line from being read.
  package func line(for kernel: Kernel) throws -> CommandLine { try (own[kernel] ?? common).get() }

  /// All different lines that could be read, in the order of `kernels`.
  package func lines(for kernels: [Kernel]) -> [CommandLine] {
    var lines: [CommandLine] = []
    for kernel in kernels {
      if let line = try? line(for: kernel), !lines.contains(line) { lines.append(line) }
    }
    return lines
  }
}
