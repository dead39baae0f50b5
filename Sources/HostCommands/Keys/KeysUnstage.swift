// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import Reconcile
internal import SigningKeys

/// `pve-sb-uki keys unstage`: removes from every ESP the files that pve-sb-uki staged or exported there, and an update
/// that removes PK.
///
/// Other files are left alone, whatever their names.
package struct KeysUnstage: Sendable {
  package var isDryRun = false

  package init() {}

  package struct Partition: Sendable {
    /// Name of the ESP.
    package var name: String
    /// Paths on the ESP that were removed.
    package var removed: [String]
    /// Whether systemd-boot would have enrolled keys without a question.
    package var endsEnrolment: Bool
  }

  package struct Result: Sendable {
    package var partitions: [Partition] = []
    /// One for each ESP from which not all could be removed.
    package var failures: [Failure] = []
  }

  /// Removes the files; works without keys on the host, too.
  ///
  /// A problem with one ESP goes into the result. Throws `Failure` or `HostError` if the settings or ESPs cannot be read.
  package func run(on host: Host) throws -> Result {
    let configuration = try Configuration(of: host.files)
    let survey = try ESPSurvey(of: host, configuration)
    let lock = try isDryRun ? nil : host.files.lock(Apply.lockPath, waitingAtMost: ApplyOptions().lockTimeout)
    defer { withExtendedLifetime(lock) {} }
    let own = OwnKeyFiles(of: host, certificate: try? configuration.signingKey.loadCertificate(from: host))
    var result = Result(failures: survey.problems.map { Failure($0.message, hint: $0.hint) })
    for esp in survey.esps {
      do {
        // It must be closed for reading before it is mounted for writing.
        let removal = ESPKeySearch(of: try esp.open(on: host, for: .reading), own).removal
        if !removal.isEmpty, !isDryRun { try removal.perform(on: esp.open(on: host, for: .writing)) }
        result.partitions.append(
          Partition(
            name: esp.name, removed: removal.paths.map { String($0.dropFirst()) }, endsEnrolment: removal.restoresLoader
          ))
      } catch {
        result.failures.append(Failure(esp.name, error))
      }
    }
    return result
  }
}
