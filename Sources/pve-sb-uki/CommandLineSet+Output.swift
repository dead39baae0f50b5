// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import PveSbUki

extension CommandLineSet.Result {
  func text(isDryRun: Bool) -> String {
    guard isChange else { return "\(path): unchanged\n" }
    let verb = new == nil ? (isDryRun ? "would be removed" : "removed") : (isDryRun ? "would be written" : "written")
    let lines = difference.map { $0.sentences } ?? []
    return (["\(path): \(verb)"] + lines.map { "  \($0)" }).joined(separator: "\n") + "\n"
  }

  func json(isDryRun: Bool) -> JSONValue {
    .object([
      "path": .string(path), "old": JSONValue(old), "new": JSONValue(new), "changed": .boolean(isChange),
      "dry_run": .boolean(isDryRun), "difference": difference?.json ?? .null, "errors": JSONValue(errors),
      "warnings": JSONValue(warnings),
    ])
  }
}

extension WordDifference {
  /// In plain words, a line each; nothing where there is no difference.
  var sentences: [String] {
    var sentences: [String] = []
    if !added.isEmpty { sentences.append("added: \(added.joined(separator: " "))") }
    if !missing.isEmpty { sentences.append("missing: \(missing.joined(separator: " "))") }
    if isReordered { sentences.append("the words stand in another order") }
    return sentences
  }

  var json: JSONValue {
    .object(["added": JSONValue(added), "missing": JSONValue(missing), "reordered": .boolean(isReordered)])
  }
}
