// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import CommandLineInterface
import CommandSupport
import Cryptography
import KernelRepack
import Messages
import RepositoryTrust

/// The JSON that --report writes; docs/repack-report.md describes it.
enum RepackReport {
  static func document(_ outcomes: [Repack.Outcome]) -> JSONValue {
    JSONValue.object(["packages": .array(outcomes.map(package))]).withSchema
  }

  private static func package(_ outcome: Repack.Outcome) -> JSONValue {
    switch outcome.result {
    case .failed(let failure):
      .object([
        "input": .object(["path": .string(outcome.input)]), "status": "failed",
        "error": .string(failure.message.description), "hint": JSONValue(failure.hint),
      ])
    case .configuration: .object(["input": .object(["path": .string(outcome.input)]), "status": "unchanged"])
    case .repacked(let report):
      .object([
        "status": "repacked", "input": side(report.input), "output": side(report.output),
        "architecture": .string(report.architecture), "trust": trust(report.trust),
        "signer": .object([
          "subject": .string(report.signer),
          "certificate_sha256": JSONValue(report.certificateFingerprint?.hexadecimal),
        ]),
        "files": .array(report.changes.map(file)), "provenance": JSONValue(report.provenancePath),
        "packing": .string(report.packing.rawValue), "notes": JSONValue(report.notes),
      ])
    }
  }

  private static func side(_ side: PackageReport.Side) -> JSONValue {
    .object([
      "path": .string(side.path), "package": .string(side.package), "version": .string(side.version),
      "size": .integer(side.size), "sha256": .string(side.sha256.hexadecimal),
    ])
  }

  private static func file(_ change: FileChange) -> JSONValue {
    var members: [String: JSONValue] = [
      "path": .string(change.path), "old": state(change.old), "new": state(change.new),
    ]
    if !change.links.isEmpty { members["links"] = .array(change.links.map { .string($0) }) }
    switch change.kind {
    case .image(let before, let after):
      members["kind"] = "image"
      members["signatures_before"] = .integer(before)
      members["signatures_after"] = .integer(after)
      members["position"] = .integer(after)
    case .module(let algorithm, let replaced):
      members["kind"] = "module"
      members["digest"] = .string(algorithm)
      members["replaced"] = .boolean(replaced)
    }
    return .object(members)
  }

  private static func state(_ state: FileChange.State) -> JSONValue {
    .object([
      "size": .integer(state.size), "md5": .string(state.md5.hexadecimal), "sha256": .string(state.sha256.hexadecimal),
    ])
  }

  private static func trust(_ finding: TrustFinding) -> JSONValue {
    switch finding {
    case .unchecked: .object(["kind": "unchecked"])
    case .digest: .object(["kind": "sha256"])
    case .release(let release):
      .object([
        "kind": "release", "file": .string(release.file), "index": .string(release.index),
        "origin": JSONValue(release.origin), "suite": JSONValue(release.suite),
        "date": JSONValue(release.date.map { "\($0)" }), "valid_until": JSONValue(release.validUntil.map { "\($0)" }),
        "signers": JSONValue(release.signers),
      ])
    }
  }
}
