// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// `pve-sb-uki cmdline show --base`: the line that the administrator writes, without fragments.
package struct CommandLineBase: Sendable {
  package init() {}

  package struct Result: Hashable, Sendable {
    package var line: String
    /// The file that it stands in, or `/proc/cmdline` where there is none yet.
    package var path: String

    package init(line: String, path: String) {
      self.line = line
      self.path = path
    }
  }

  /// Throws `Failure` or `HostError` if there is none, or none that can be one.
  package func run(on host: Host) throws -> Result {
    let part = try CommandLine.base(of: host.files)
    return Result(line: part.text, path: part.path)
  }
}
