// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import BootPaths
internal import Findings
internal import HostSystem
package import Messages

/// Whether this machine will start again, as far as its files and variables tell.
package struct RebootVerdict: Sendable {
  package enum Answer: String, Sendable {
    case safe = "safe"
    case unsafe = "unsafe"
    case unknown = "unknown"
  }

  package let answer: Answer
  /// What the machine starts next, or why it may not start.
  package let reason: Message

  /// Findings about a UKI that keep its kernel from starting the system.
  private static let obstacles: Set<FindingKind> = [
    .ukiDamaged, .ukiRejected, .rootMissing, .initrdIncomplete, .kernelIncomplete,
  ]

  /// Judges by what the machine starts next, and by the findings about that UKI.
  init(_ paths: BootPathSurvey, findings: [Finding]) {
    guard let next = paths.next else {
      answer = .unsafe
      reason = "no boot path leads to a program that starts"
      return
    }
    let program = next.steps.last
    let target: Message = "\(next.name) starts \(program.map { $0.place ?? $0.program.word } ?? "a program")"
    let kernel = program?.path.flatMap { UKIName(fileName: String(PathName($0).fileName)) }?.kernel.release
    let obstacle = findings.first { finding in
      guard Self.obstacles.contains(finding.kind) else { return false }
      let facts = Dictionary(finding.arguments.map { ($0.name, $0.value) }) { $1 }
      // Copies on other ESPs may be intact.
      let isElsewhere = facts["partitions"]?.array.map { !$0.contains { $0.string == program?.partition } } ?? false
      return kernel != nil && facts["kernel"]?.string == kernel && !isElsewhere
    }
    if let obstacle {
      answer = .unsafe
      reason = "\(target), but \(obstacle.message)"
    } else if next.outcome == .depends {
      answer = .unknown
      reason = "\(target), depending on the firmware: \(next.failing?.reason ?? "")"
    } else {
      answer = .safe
      reason = target
    }
  }
}
