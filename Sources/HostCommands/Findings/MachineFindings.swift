// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Cryptography
package import Findings
package import HostSystem
internal import KeyEnrolment
package import Messages
package import Reconcile
internal import SigningKeys

/// Findings about this machine that no UKI and no boot entry is responsible for: its firmware, packages, secrets, disks
/// and running kernel.
///
/// Changes nothing. If one source cannot be read, the findings of the others are still complete.
package enum MachineFindings {
  /// What the caller already knows; everything is optional.
  package struct Context: Sendable {
    package var configuration = Configuration()
    /// ESPs in use.
    package var esps: [ESP] = []
    /// Paths of signed updates that delete the platform key, by name of the ESP.
    package var keyRemovals: [String: [String]] = [:]
    /// The certificate that UKIs are signed with.
    package var certificate: Certificate?
    /// Files with secrets that other users can read or replace.
    package var exposures: [Failure] = []
    /// The boot chain in use; nil if unknown.
    package var chain: BootChain?

    package init() {}

    /// The facts of an observation and its plan.
    package init(_ observation: HostObservation, _ plan: ApplyPlan) {
      configuration = observation.configuration
      esps = observation.survey.esps
      keyRemovals = observation.contents.mapValues(\.keyRemovals)
      certificate = observation.certificate
      exposures = observation.exposures
      chain = plan.chain?.chain
    }
  }

  /// All findings, in no particular order.
  ///
  /// A source that cannot be read becomes a remark, unless only root can read it and the user is not root.
  package static func collect(on host: Host, _ context: Context = Context()) -> [Finding] {
    var collector = Collector(host)
    let firmware = collector.read("the keys in the firmware") { try FirmwareKeys(of: host) }
    let packages = collector.read("the installed packages") { try InstalledPackages(of: host.files) }
    if let firmware {
      collector.add("the platform key") { PlatformKeys.findings(firmware) }
      collector.add("the certificates in the firmware") { VendorCertificates.findings(firmware) }
      collector.add("the enrolled keys") { try EnrolmentLoss.findings(firmware, on: host) }
      collector.add("exported keys on ESPs") { try ESPKeyFiles.findings(context, firmware, on: host) }
      collector.add("the booted program") { try BootedProgram.findings(context, firmware, on: host) }
      collector.add("the firmware's variable store") { try VariableRoom.findings(firmware, on: host) }
      if let packages {
        collector.add(Message(verbatim: "shim-signed")) {
          try PackageFindings.shim(packages, firmware, context, on: host)
        }
        collector.add(Message(verbatim: "fwupd")) { PackageFindings.fwupd(packages, firmware, on: host) }
      }
    }
    if let packages {
      collector.add(Message(verbatim: "systemd-boot")) { PackageFindings.systemdBoot(packages) }
    }
    collector.add("requests to MokManager") { try MOKRequestFindings.findings(context, on: host) }
    collector.add("certificates") { CertificateTerms.findings(context, on: host) }
    collector.add(Message(verbatim: "dracut")) { try PackageFindings.dracut(on: host) }
    collector.add(Message(verbatim: "os-release")) { try OSReleaseFindings.findings(context, on: host) }
    collector.add("updates that delete keys") { ESPKeyFiles.removals(context, on: host) }
    collector.add("backups of keys") { try KeyBackupFindings.findings(context.configuration, on: host) }
    collector.add("secrets") { try SecretStorage.findings(context, on: host) }
    collector.add(Message(verbatim: "/boot")) { try BootPartitionFindings.findings(on: host) }
    collector.add("partition GUIDs") { try ClonedDisks.findings(context, on: host) }
    collector.add("the kernel's log") { try KernelLog(of: host).findings }
    return collector.findings
  }
}

/// Collects findings, and turns the errors of sources into remarks.
private struct Collector {
  let host: Host
  private(set) var findings: [Finding] = []

  init(_ host: Host) { self.host = host }

  mutating func add(_ source: Message, _ body: () throws -> [Finding]) { findings += read(source, body) ?? [] }

  mutating func read<Value>(_ source: Message, _ body: () throws -> Value) -> Value? {
    do {
      return try body()
    } catch let error as HostError where error.meansForbidden && host.effectiveUserID != 0 {
      return nil
    } catch {
      findings.append(Finding(.remark, Failure("cannot check \(source): \(error)")))
      return nil
    }
  }
}
