// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
internal import Messages
import PveSbUki

extension CommandLineSet.Result {
  func text(isDryRun: Bool) -> String {
    let lines = isChange ? difference?.sentences(added: "added", missing: "removed") ?? [] : []
    return ([title(isDryRun: isDryRun)] + lines.map { "  \($0)" }).localLines
  }

  private func title(isDryRun: Bool) -> Message {
    guard isChange else { return "\(path): unchanged" }
    guard new != nil else { return isDryRun ? "\(path): would be removed" : "\(path): removed" }
    return isDryRun ? "\(path): would be written" : "\(path): written"
  }

  /// `apply` is what it did about it; nil if it was not asked to.
  func json(isDryRun: Bool, apply: JSONValue?) -> JSONValue {
    .object([
      "path": .string(path), "old": JSONValue(old), "new": JSONValue(new), "changed": .boolean(isChange),
      "dry_run": .boolean(isDryRun), "difference": difference?.json ?? .null, "errors": JSONValue(errors),
      "warnings": JSONValue(warnings), "apply": apply ?? .null,
    ])
  }
}

extension WordDifference {
  /// In plain words, a line each; nothing where there is no difference.
  func sentences(added addedWord: Message, missing missingWord: Message) -> [Message] {
    var sentences: [Message] = []
    if !added.isEmpty { sentences.append("\(addedWord): \(added.joined(separator: " "))") }
    if !missing.isEmpty { sentences.append("\(missingWord): \(missing.joined(separator: " "))") }
    if isReordered { sentences.append("the words stand in another order") }
    return sentences
  }

  var json: JSONValue {
    .object(["added": JSONValue(added), "missing": JSONValue(missing), "reordered": .boolean(isReordered)])
  }
}
