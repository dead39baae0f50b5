// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
internal import Messages
internal import Reconcile
internal import SecureBoot

/// How the signing key gets enrolled on a machine.
package enum EnrolmentRoad: Sendable {
  /// The firmware is in Setup Mode: the running system can write db, KEK and PK.
  case firmware
  /// Only the firmware's menu can change its lists.
  case menu
  /// shim starts the machine, and MokManager adds the certificate to its list.
  case mok

  /// The road that the machine offers.
  ///
  /// Throws `Failure` if there is nothing to enrol, or if the firmware's variables cannot be read.
  package init(of host: Host) throws {
    guard case .ready(let configuration, let survey) = try Readiness(of: host) else {
      throw Failure("no signing key exists yet", hint: "run 'pve-sb-uki keys create'")
    }
    var options = ApplyOptions()
    options.isDryRun = true
    options.reading = .none
    let assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
    guard let certificate = assessment.observation.certificate, let decision = assessment.plan.chain else {
      throw Failure("the boot chain cannot be judged", hint: "run 'pve-sb-uki status'")
    }
    let trust = try EnrolmentTrust(decision, certificate, survey, on: host)
    self = trust.database.setupMode == true ? .firmware : trust.usesShim ? .mok : .menu
  }
}
