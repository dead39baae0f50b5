// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import BootPaths
package import Findings
package import HostSystem
package import Messages

/// `pve-sb-uki boot check`: follows every boot path of this machine.
///
/// Changes nothing.
package struct BootCheck: Sendable {
  /// A directory with EFI variables as in efivarfs; nil for those of this machine.
  package var variables: String?

  package init() {}

  package struct Result: Sendable {
    package var survey: BootPathSurvey
    /// Those of the survey and of unusable ESPs, in the order of `FindingKind`.
    package var findings: [Finding]

    package var needsAttention: Bool { findings.contains { $0.severity >= .attention } }
    /// The command to run next; nil if nothing has to be done.
    package var command: Message? {
      findings.lazy.filter { $0.severity >= .attention }.compactMap(\.command).first
    }
  }

  /// Follows the paths and reads every program on them.
  ///
  /// Throws `EFIVariableError` without EFI variables, `Failure` if `variables` is not a directory,
  /// `BootEnvironmentError` for invalid settings.
  package func run(on machine: Host) throws -> Result {
    let host = try variables.map { try machine.usingVariables(in: $0) } ?? machine
    var options = BootPathSurvey.Options()
    options.readsAll = true
    let esps = try ESPSurvey(of: host, Configuration(of: host.files))
    let survey = try BootPathSurvey(of: host, esps, options: options)
    let unusable = esps.problems.map { Finding(.espUnusable, Failure($0.message, hint: $0.hint)) }
    return Result(survey: survey, findings: unusable + survey.findings)
  }
}
