// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BootEnvironment
import BootPaths
import CommandLineInterface
import CommandSupport
import Cryptography
internal import Findings
import HostCommands
import HostSystem
internal import KernelModules
internal import Messages
internal import Reconcile
internal import StartupCheck

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show whether this machine will start again, and what to do next",
    discussion: """
      Changes nothing, and reads every UKI once. The exit code is 1 if something needs attention. \
      pve-sb-uki-findings(7) describes the findings.
      """)

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Trust the record of UKIs and do not read them")
  var quick = false

  @Option(
    help: ArgumentHelp("EFI variables to judge with, a copy of /sys/firmware/efi/efivars", valueName: "directory"),
    completion: .directory)
  var efivars: String?

  @Flag(help: "Print metrics for node_exporter's textfile collector, and exit with 0")
  var prometheus = false

  func validate() throws {
    guard !prometheus || !global.json else { throw ValidationError(saying: "use either --json or --prometheus") }
  }

  func run() throws {
    var status = Status()
    status.isQuick = quick
    status.variables = efivars
    let host = try global.hostOfRoot()
    let report = try status.run(on: host)
    if prometheus { return try StandardStream.output.write(report.metrics.text) }
    try global.print(page: report.text(on: global.page(on: host)), json: report.json)
    if report.needsAttention { throw ExitCode(1) }
  }
}

extension Status.Report {
  /// The report as text.
  func text(on page: Page) -> String { page.text(of: sections) }

  private var sections: [Page.Section] {
    if let skipReason {
      let advice = nextStep == nil ? [skipReason.advice].compactMap { $0 } : []
      return [Page.Section("Nothing to do", [skipReason.message] + advice), nextSection].compactMap { $0 }
    }
    let signer = certificate.map { Message(verbatim: $0) } ?? "certificate not readable"
    let present = kernels.map(\.text)
    let past = lastFailure.map { record in ([record.time] + record.messages).map { Message(verbatim: $0) } }
    let severest = findings.map(\.severity).max()
    return [
      Page.Section("State", stateLines),
      Page.Section("Reboot", reboot.map { [$0.text] } ?? [], reboot?.style ?? .plain),
      Page.Section("Secure Boot", [secureBoot ?? "unknown: not reported by the firmware"]),
      Page.Section("Signed by", [signer] + end + trust),
      Page.Section("Chain", chain.map { [Message(verbatim: $0)] } ?? []),
      Page.Section("ESP", esps.map(\.text)),
      Page.Section("Kernels", present.isEmpty ? ["none installed"] : present),
      Page.Section("UKI size", sizeLines),
      Page.Section("Last boot", boots.last.map { [$0.text(isThis: $0.bootID == bootID)] } ?? []),
      Page.Section("Boot paths", pathLines),
      Page.Section("Lockdown", lockdown.map { [Message(verbatim: $0.rawValue)] } ?? []),
      Page.Section("Modules", modules.map { "\($0.kernel)  \($0.name)  \($0.signatureText)" }),
      Page.Section("Last failure", past ?? []),
      Page.Section(
        "Notes", notes + findings.filter { $0.severity == .note && $0.kind != .ukiLarge }.map(\.message)),
      Page.Section("Faster boot", advice.map { [$0.message] } ?? []),
      Page.Section(Message(verbatim: ""), advice?.command.map { [$0] } ?? [], isWrapped: false),
      Page.Section(Message(verbatim: ""), advice?.price.map { [$0] } ?? []),
      Page.Section("Attention", problems.map(\.message), severest == .failure ? .red : .yellow),
      nextSection ?? Page.Section("Next", ["nothing to do"], .green),
    ].compactMap { $0 }
  }

  /// The state, and what to do in menus if the next command leads there.
  private var stateLines: [Message] {
    guard let state else { return [] }
    let isNext = nextStep != nil && nextStep == state.nextCommand
    return [state.title] + (isNext ? state.lines : [state.ifSecureBootWereOn].compactMap { $0 })
  }

  /// The size of the preferred UKI.
  private var sizeLines: [Message] {
    images.first { !$0.isPrevious && $0.usage != nil }?.usage.map { [$0.text] } ?? []
  }

  /// What would make the boot faster.
  private var advice: Finding? { findings.first { $0.kind == .ukiLarge } }

  /// The paths that lead to a program, then the number of the others.
  private var pathLines: [Message] {
    let shown = paths.filter(\.isShown)
    let rest = paths.count - shown.count
    return shown.map(\.statusText) + (rest > 0 ? ["\(rest) more that start no file: pve-sb-uki boot check"] : [])
  }

  /// A command is not wrapped, so that it can be pasted.
  private var nextSection: Page.Section? {
    nextStep.map { Page.Section("Next", [$0], .bold, isWrapped: !isNextCommand) }
  }

  private var end: [Message] { certificateEnd.map { ["valid until \($0)"] } ?? [] }

  /// With Secure Boot off, the state says what would happen.
  private var trust: [Message] {
    guard secureBoot == "on", let isTrusted, let trustReason else { return [] }
    return [isTrusted ? "accepted: \(trustReason)" : "REJECTED: \(trustReason)"]
  }
}

extension Finding {
  /// What to know before running its command: the first instruction.
  fileprivate var price: Message? {
    actions.lazy.compactMap { if case .advise(let text) = $0 { text } else { nil } }.first
  }
}

extension Status.Image {
  fileprivate var json: JSONValue {
    .object([
      "kernel": .string(kernel), "name": .string(name), "previous": .boolean(isPrevious),
      "sizes": usage?.sizesJSON ?? .null, "initrd_compression": JSONValue(usage?.compression),
    ])
  }
}

extension Status.ESP {
  fileprivate var text: Message {
    if let problem { return "\(name)  \(problem)" }
    return free.map { "\(name)  \($0 >> 20) MiB free" } ?? "\(name)"
  }

  fileprivate var json: JSONValue {
    .object(["name": .string(name), "free_bytes": JSONValue(free), "problem": JSONValue(problem)])
  }
}

extension Status.Kernel {
  fileprivate var text: Message {
    let deviating = states.filter { $0.state != .current }
    let state =
      deviating.isEmpty ? State.current.word : deviating.map { "\($0.state.word) on \($0.esp)" }.joined(separator: ", ")
    return reasons.isEmpty ? "\(release)  \(state)" : "\(release)  \(state)  (\(reasonWords.joined(separator: ", ")))"
  }

  fileprivate var json: JSONValue {
    .object([
      "kernel": .string(release), "running": .boolean(isRunning), "reasons": JSONValue(reasons),
      "images": .array(
        states.map { .object(["partition": .string($0.esp), "state": .string($0.state.rawValue)]) }),
    ])
  }
}

extension RebootVerdict {
  fileprivate var text: Message {
    switch answer {
    case .safe: "safe: \(reason)"
    case .unsafe: "NOT SAFE: \(reason)"
    case .unknown: "unknown: \(reason)"
    }
  }

  fileprivate var style: Page.Style {
    switch answer {
    case .safe: .green
    case .unsafe: .red
    case .unknown: .yellow
    }
  }

  fileprivate var json: JSONValue { .object(["answer": .string(answer.rawValue), "reason": JSONValue(reason)]) }
}

extension BootPath {
  /// Parts of the firmware, classes of devices and what the firmware skips are only in `boot check`.
  fileprivate var isShown: Bool {
    if isCurrent || outcome == .rejected || outcome == .broken { return true }
    guard let program = steps.last?.program else { return false }
    return outcome != .skipped && ![.firmware, .device, .network].contains(program)
  }

  fileprivate var statusText: Message {
    let target = leadsToUKI ? steps.last?.place.map { "\(programs), \($0)" } ?? programs : programs
    let line: Message = "\(name)  \(target): \(outcomeWord)"
    return isCurrent ? "\(line) (booted from)" : line
  }
}

extension BuiltModule {
  fileprivate var json: JSONValue {
    .object([
      "kernel": .string(kernel), "module": .string(name), "path": .string(path), "signature": .string(state),
      "signer": JSONValue(signer?.subject), "trusted": .boolean(isTrusted),
    ])
  }
}

extension Status.Report {
  var json: JSONValue {
    .object([
      "obstacle": JSONValue(skipReason?.rawValue), "state": JSONValue(state?.stage.rawValue),
      "secure_boot": JSONValue(secureBoot),
      "certificate": JSONValue(certificate), "certificate_end": JSONValue(certificateEnd),
      "chain": JSONValue(chain), "trusted": JSONValue(isTrusted), "trust_reason": JSONValue(trustReason),
      "reboot": reboot?.json ?? .null, "boot_paths": .array(paths.map(\.json)),
      "lockdown": JSONValue(lockdown?.rawValue),
      "partitions": .array(esps.map(\.json)), "kernels": .array(kernels.map(\.json)),
      "uki_sizes": .array(images.map(\.json)), "boots": .array(boots.map(\.json)),
      "ignored_times": JSONValue(ignoredTimes),
      "boot_entries": entries?.json ?? .null,
      "last_failure": lastFailure.map { .object(["time": .string($0.time), "messages": JSONValue($0.messages)]) }
        ?? .null,
      "findings": .array(findings.map(\.json)),
      "problems": .array(
        problems.map { .object(["problem": .string($0.description), "hint": JSONValue($0.hint)]) }),
      "modules": .array(modules.map(\.json)), "notes": JSONValue(notes), "next": JSONValue(nextStep),
      "healthy": .boolean(!needsAttention),
    ])
  }
}

extension Status.Report {
  fileprivate var metrics: PrometheusText {
    var metrics = PrometheusText()
    metrics.findings = findings
    metrics.isHealthy = !needsAttention
    metrics.bootPaths = paths.map { path in
      let target = path.steps.last.flatMap { step in step.path.map { "\(step.partition ?? ""):\($0)" } } ?? ""
      return PrometheusText.BootPath(name: path.name.description, target: target, verdict: path.outcome.rawValue)
    }
    metrics.esps = esps.map { PrometheusText.ESP(name: $0.name, free: $0.free) }
    metrics.images = images.compactMap { image in
      image.usage.map { PrometheusText.Image(name: image.name, usage: $0) }
    }
    metrics.lastBoot = boots.last?.times
    metrics.certificates = certificateTerms
    metrics.lastApply = lastApply
    metrics.lastApplySucceeded = lastFailure == nil
    return metrics
  }
}
