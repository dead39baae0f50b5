// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Findings
package import HostSystem
internal import Messages
package import StartupCheck
internal import UnifiedKernelImage

/// The state of a machine as metrics in Prometheus's text format (exposition format 0.0.4), for the textfile collector
/// of node_exporter.
///
/// Names of metrics and labels never change; pve-sb-uki-findings(7) describes them.
package struct PrometheusText: Sendable {
  package struct BootPath: Sendable {
    /// Such as `Boot0003`.
    package var name: String
    /// What it starts, such as a path on an ESP; empty if unknown.
    package var target: String
    /// `starts`, `rejected`, or another word of `boot check`.
    package var verdict: String

    package init(name: String, target: String, verdict: String) {
      self.name = name
      self.target = target
      self.verdict = verdict
    }
  }

  package struct ESP: Sendable {
    package var name: String
    /// Free space in bytes; nil if it cannot be read.
    package var free: Int?

    package init(name: String, free: Int?) {
      self.name = name
      self.free = free
    }
  }

  package struct Image: Sendable {
    /// File name, such as `pve-6.8.12-4-pve.efi`.
    package var name: String
    package var usage: ImageUsage

    package init(name: String, usage: ImageUsage) {
      self.name = name
      self.usage = usage
    }
  }

  package var findings: [Finding] = []
  /// Whether nothing needs attention, as in `status --json`.
  package var isHealthy = true
  package var bootPaths: [BootPath] = []
  package var esps: [ESP] = []
  package var certificates: [CertificateTerm] = []
  package var images: [Image] = []
  /// The last boot that was measured; nil if none was.
  package var lastBoot: BootTimes?
  /// When `apply` last changed something, in seconds since 1970; nil if it never did.
  package var lastApply: Int64?
  /// Whether the last run of `apply` succeeded.
  package var lastApplySucceeded = true

  package init() {}

  private struct Sample {
    var labels: KeyValuePairs<String, String> = [:]
    var value: String

    init(labels: KeyValuePairs<String, String> = [:], value: Int64) {
      self.labels = labels
      self.value = "\(value)"
    }

    /// A time in seconds, from microseconds.
    init(phase: String, microseconds: Int) {
      labels = ["phase": phase]
      value = Quantity.exactSeconds(microseconds)
    }
  }

  /// The text, which ends in a line feed.
  package var text: String {
    var text = ""
    func add(_ name: String, _ help: String, _ samples: [Sample]) {
      text += Self.family("pve_sb_uki_\(name)", help, samples)
    }
    let counts = Dictionary(findings.map { ($0.kind, 1) }, uniquingKeysWith: +)
    add("healthy", "Whether nothing needs the administrator's attention.", [Sample(value: isHealthy ? 1 : 0)])
    add(
      "finding", "Number of findings of a kind.",
      FindingKind.allCases.map { kind in
        Sample(labels: ["kind": kind.rawValue, "severity": kind.severity.name], value: Int64(counts[kind] ?? 0))
      })
    add(
      "boot_path", "Verdict about a boot path.",
      bootPaths.map {
        Sample(labels: ["path": $0.name, "target": $0.target, "verdict": $0.verdict], value: 1)
      })
    add(
      "esp_free_bytes", "Free space of an EFI System Partition.",
      esps.compactMap { esp in esp.free.map { Sample(labels: ["esp": esp.name], value: Int64($0)) } })
    add(
      "image_bytes", "Bytes of a UKI by part.",
      images.flatMap { image in
        ImageSizes.Part.allCases.map { part in
          Sample(labels: ["image": image.name, "part": part.rawValue], value: Int64(image.usage.sizes[part]))
        }
      })
    add("boot_seconds", "Seconds of the last measured boot by phase.", lastBoot.map { Self.phases(of: $0) } ?? [])
    add(
      "certificate_expiry_timestamp_seconds", "When a certificate expires, in seconds since 1970.",
      certificates.map { Sample(labels: ["certificate": $0.name, "subject": $0.subject], value: $0.end) })
    add(
      "last_apply_timestamp_seconds", "When apply last changed something, in seconds since 1970.",
      lastApply.map { [Sample(value: $0)] } ?? [])
    add("last_apply_success", "Whether the last run of apply succeeded.", [Sample(value: lastApplySucceeded ? 1 : 0)])
    return text
  }

  private static func phases(of times: BootTimes) -> [Sample] {
    let phases = [("firmware", times.firmware), ("loading", times.loading), ("kernel", times.kernel)]
    return phases.compactMap { name, time in time.map { Sample(phase: name, microseconds: $0) } }
  }

  /// A gauge with its samples; empty without samples.
  ///
  /// Two samples with the same labels are an error for node_exporter, so only the first counts.
  private static func family(
    _ name: String, _ help: String, _ samples: [Sample]
  ) -> String {
    var seen: Set<String> = []
    let lines = samples.compactMap { sample -> String? in
      let labels = sample.labels.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",")
      guard seen.insert(labels).inserted else { return nil }
      return "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(sample.value)\n"
    }
    return lines.isEmpty ? "" : "# HELP \(name) \(help)\n# TYPE \(name) gauge\n" + lines.joined()
  }

  /// The value of a label: backslash, quotation mark and line feed are escaped.
  private static func escaped(_ value: String) -> String {
    var text = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      case "\n": text += "\\n"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}

extension PrometheusText {
  /// When `apply` last changed something on a host, in seconds since 1970; nil if it never did.
  ///
  /// A second run writes nothing (promise I4), so there is no record of runs: this is the time of the record of UKIs.
  package static func lastApply(on host: Host) -> Int64? {
    (try? host.files.status(of: Manifest.path))?.map { $0.modified / 1_000_000_000 }
  }
}
