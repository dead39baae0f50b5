// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootPaths
package import Findings
package import HostSystem
package import KernelModules
package import Messages
package import Reconcile
package import StartupCheck

/// `pve-sb-uki status`: where this machine is on its way to booting its own UKIs, whether it will start again, and the
/// one next command.
///
/// Changes nothing.
package struct Status: Sendable {
  /// Whether to trust the manifest and not read the UKIs.
  package var isQuick = false
  /// A copy of efivarfs to use instead of this machine's firmware variables; nil for those.
  package var variables: String?

  package init() {}

  package struct ESP: Sendable {
    /// Volume serial number, or the path where it is mounted.
    package var name: String
    /// Free space in bytes; nil if it cannot be read.
    package var free: Int?
    /// The problem with it; nil if there is none.
    package var problem: Message?
  }

  package struct Kernel: Sendable {
    package enum State: String, Sendable {
      /// The UKI is up to date.
      case current = "current"
      /// The UKI is intact, but one of its inputs has changed since.
      case stale = "stale"
      /// There is no UKI.
      case missing = "missing"
      /// The UKI is damaged, or was changed or made by another program.
      case changed = "changed"
      /// No UKI can be built.
      case unusable = "unusable"
      /// The UKI exists and boots, but its kernel has lost its initrd.
      case kept = "kept"
      /// The UKI has to be built, but the signing key is away; an older one may exist.
      case waiting = "waiting"

      /// The state as the rest of a sentence.
      package var word: Message {
        switch self {
        case .current: "current"
        case .stale: "stale"
        case .missing: "missing"
        case .changed: "changed"
        case .unusable: "unusable"
        case .kept: "kept, without its initrd"
        case .waiting: "waiting for the key"
        }
      }
    }

    package var release: String
    package var isRunning: Bool
    /// Why it has a UKI, the most important reason first.
    package var reasons: [String]
    /// The same as messages.
    package var reasonWords: [Message]
    /// By ESP, in their order.
    package var states: [(esp: String, state: State)]

    /// Whether the UKI is current on all ESPs.
    package var isCurrent: Bool { states.allSatisfy { $0.state == .current } }
  }

  package struct Image: Hashable, Sendable {
    /// Release of its kernel.
    package var kernel: String
    /// File name, such as `pve-6.8.12-4-pve.efi`.
    package var name: String
    /// Whether a newer UKI of this kernel has replaced it.
    package var isPrevious: Bool
    /// Nil if it was not read.
    package var usage: ImageUsage?
  }

  package struct Report: Sendable {
    /// Why pve-sb-uki does nothing on this host; nil if it is active.
    package var skipReason: SkipReason?
    /// How far the machine is; nil if that cannot be read.
    package var state: MachineState?
    /// `on`, `off`, `setup mode`; nil if the firmware does not report it.
    package var secureBoot: Message?
    /// Subject of the certificate in use; nil if it cannot be read.
    package var certificate: String?
    /// When the certificate expires, such as `2036-11-21 05:24:17 UTC`.
    package var certificateEnd: String?
    /// Whether this machine starts UKIs that are signed with it; nil if unknown.
    package var isTrusted: Bool?
    /// The reason, as a sentence.
    package var trustReason: Message?
    /// As `ApplyPlan.chainName`.
    package var chain: String?
    package var esps: [ESP] = []
    /// In order of precedence.
    package var kernels: [Kernel] = []
    /// Boot entries in boot order; nil if none can be created.
    package var entries: BootList.Result?
    /// Drivers, programs and entries in the order in which the firmware tries them.
    package var paths: [BootPath] = []
    /// Whether this machine will start again; nil without firmware variables.
    package var reboot: RebootVerdict?
    /// What the running kernel keeps root from changing; nil if it does not say.
    package var lockdown: KernelLockdown?
    /// When `apply` last changed something, in seconds since 1970; nil if it never did.
    package var lastApply: Int64?
    /// When the owner's certificates expire.
    package var certificateTerms: [CertificateTerm] = []
    /// Modules that dkms has built for kernels with UKIs.
    package var modules: [BuiltModule] = []
    /// The UKIs that exist, in order of precedence; copies on other ESPs are one.
    package var images: [Image] = []
    /// How long the last boots took, oldest first; only those that were measured.
    package var boots: [BootHistory.Boot] = []
    /// ID of this boot, see random(4); nil if it cannot be read.
    package var bootID: String?
    /// Why times of this boot that exist are ignored, one sentence each.
    package var ignoredTimes: [Message] = []
    /// Time and messages of the last failed run.
    package var lastFailure: (time: String, messages: [String])?
    /// In the order of `FindingKind`.
    package private(set) var findings: [Finding] = []
    /// Notes that require no action, one sentence each.
    package var notes: [Message] = []
    /// What to do next; nil if nothing has to be done.
    package var nextStep: Message?
    /// Whether `nextStep` is a command that can be pasted, rather than an instruction.
    package var isNextCommand = false

    /// Findings that need attention, as errors.
    package var problems: [Failure] { findings.filter { $0.severity > .note }.map(\.failure) }

    package var needsAttention: Bool { findings.contains { $0.severity > .note } || skipReason?.hint != nil }

    mutating func find(_ finding: Finding) {
      let text = finding.message.description
      // The plan already notes some findings.
      notes.removeAll { $0 == finding.message || $0.description.hasPrefix("\(text); ") }
      guard !findings.contains(where: { $0.kind == finding.kind && $0.message == finding.message }) else { return }
      let index = findings.firstIndex { $0.kind.precedence > finding.kind.precedence } ?? findings.endIndex
      findings.insert(finding, at: index)
    }

    /// Replaces findings of a kind that a more specific one explains.
    mutating func remove(where isExplained: (Finding) -> Bool) { findings.removeAll(where: isExplained) }
  }
}

extension Status {
  /// Checks everything and changes nothing.
  ///
  /// Throws for invalid settings, like `apply`.
  package func run(on machine: Host) throws -> Report {
    let host = try variables.map { try machine.usingVariables(in: $0) } ?? machine
    switch try Readiness(of: host) {
    case .skip(let reason):
      var report = Report()
      report.skipReason = reason
      let state = MachineState(reason)
      report.state = state
      report.isNextCommand = state.nextCommand != nil
      report.nextStep = state.nextCommand ?? reason.hint
      return report
    case .ready(let configuration, let survey):
      var options = ApplyOptions()
      options.isDryRun = true
      options.reading = isQuick ? .none : .all
      let assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
      var reporter = StatusReporter(host, assessment)
      // With the variables of another machine, this boot is not known.
      reporter.describeBoots(addingThis: variables == nil)
      try reporter.describe(isQuick: isQuick)
      return reporter.report
    }
  }
}
