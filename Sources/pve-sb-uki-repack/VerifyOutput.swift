// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import BinaryFormat
import CommandLineInterface
import CommandSupport
import HostSystem
import KernelRepack
import Messages

/// Prints how a repacked package differs from its original.
enum VerifyOutput {
  /// Throws `ExitCode` 1 if the packages differ by more than repacking changes; `Failure` if they cannot be compared.
  static func run(_ packages: [String], certificate: String?, options: OutputOptions, on host: Host) throws {
    let verify = VerifyRepack(
      original: packages[0], repacked: packages[1], certificates: [certificate].compactMap { $0 })
    let report = try verify.run(on: host)
    if options.json {
      try StandardStream.output.write(json(report).withSchema.serialize())
    } else if !options.quiet || !report.isClean {
      try StandardStream.output.write(lines(report, all: options.verbose).localLines.terminalText)
    }
    if !report.isClean { throw ExitCode(1) }
  }

  private static func lines(_ report: VerifyRepack.Report, all: Bool) -> [Message] {
    let (original, repacked) = (report.original.path, report.repacked.path)
    let problems = report.findings.filter { !$0.isExpected }
    let head: Message =
      problems.isEmpty
      ? "\(repacked): OK, all differences from \(original) are expected"
      : "\(repacked): NOT OK, unexpected differences from \(original): \(problems.count)"
    return [head] + problems.map { "  problem: \($0.subject): \($0.detail)" }
      + expected(report.findings.filter(\.isExpected), all: all) + ["  \(report.equalCount) entries are identical"]
  }

  /// One line for each finding; unless `all`, one line for all modules with the same finding.
  private static func expected(_ findings: [RepackFinding], all: Bool) -> [Message] {
    var lines: [Message] = []
    var modules: [(detail: Message, count: Int)] = []
    for finding in findings {
      if all || finding.kind != .moduleSignature {
        lines.append("  \(finding.subject): \(finding.detail)")
      } else if let index = modules.firstIndex(where: { $0.detail == finding.detail }) {
        modules[index].count += 1
      } else {
        modules.append((finding.detail, 1))
      }
    }
    return lines + modules.map { "  \($0.count) modules: \($0.detail)" }
  }

  private static func json(_ report: VerifyRepack.Report) -> JSONValue {
    .object([
      "original": json(report.original), "repacked": json(report.repacked), "accepted": .boolean(report.isClean),
      "equal_entries": .integer(report.equalCount),
      "findings": .array(
        report.findings.map { finding in
          .object([
            "kind": .string(finding.kind.rawValue), "expected": .boolean(finding.isExpected),
            "subject": .string(finding.subject), "detail": JSONValue(finding.detail),
          ])
        }),
    ])
  }

  private static func json(_ package: VerifyRepack.PackageReference) -> JSONValue {
    .object([
      "path": .string(package.path), "package": .string(package.name), "version": .string(package.version),
      "architecture": .string(package.architecture), "sha256": .string(package.sha256.hexadecimal),
    ])
  }
}
