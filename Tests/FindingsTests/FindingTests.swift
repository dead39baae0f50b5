// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Findings
import Messages
import Testing

@Suite struct FindingTests {
  @Test func namesAreUniqueAndPlain() {
    let names = FindingKind.allCases.map(\.rawValue)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { $0.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") } })
  }

  /// Otherwise `status` would advise work on a note before work on a failure.
  @Test func severeKindsComeFirst() {
    let severities = FindingKind.allCases.map(\.severity)
    #expect(severities == severities.sorted(by: >))
  }

  @Test func theFirstCommandAndTheFirstActionAreDistinguished() {
    let finding = Finding(.remark, "a", actions: [.advise("plug it in"), .run("pve-sb-uki apply")])
    #expect(finding.command == "pve-sb-uki apply" && finding.failure.hint == "plug it in")
    #expect(Finding(.remark, Failure("a", hint: "b")).command == nil)
    #expect(Finding(.remark, Failure("a", hint: "b"), command: "c").command == "c")
  }

  @Test func theDocumentHasArgumentsAndActions() {
    let finding = Finding(
      .espUnclean, "it is", arguments: ["partition": "/efi"], actions: [.run("a"), .advise("b")])
    #expect(
      finding.json == [
        "kind": "esp-unclean", "severity": "failure", "message": "it is", "arguments": ["partition": "/efi"],
        "actions": [["command": "a"], ["advice": "b"]],
      ])
  }
}
