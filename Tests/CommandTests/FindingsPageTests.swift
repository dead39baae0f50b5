// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Findings
import HostSystem
import Messages
import TestSupport
import Testing

/// `docs/man/pve-sb-uki-findings.7` describes every kind of finding, and kinds never change their names.
@Suite struct FindingsPageTests {
  /// The kinds in a subsection, with the text of each: what it means, and what to do.
  private static func kinds(in section: String) throws -> [(name: String, paragraphs: [String])] {
    let path = "\(Fixture.projectDirectory)/docs/man/pve-sb-uki-findings.7"
    let page = String(decoding: try FileSystem().readFile(path, limit: 1 << 20), as: UTF8.self)
    var kinds: [(name: String, paragraphs: [String])] = []
    var isInside = false
    for line in page.split(separator: "\n").map(String.init) {
      if line.hasPrefix(".Ss ") || line.hasPrefix(".Sh ") {
        isInside = line == ".Ss \(section)"
      } else if isInside, line.hasPrefix(".It Li ") {
        kinds.append((String(line.dropFirst(7)), [""]))
      } else if isInside, !kinds.isEmpty {
        if line == ".Pp" {
          kinds[kinds.count - 1].paragraphs.append("")
        } else if !line.hasPrefix(".Bl"), !line.hasPrefix(".El") {
          kinds[kinds.count - 1].paragraphs[kinds[kinds.count - 1].paragraphs.count - 1] += line + "\n"
        }
      }
    }
    return kinds
  }

  @Test(arguments: [("Failures", Finding.Severity.failure), ("Attention", .attention), ("Notes", .note)])
  func thePageListsEveryKindUnderItsSeverityInOrder(section: String, severity: Finding.Severity) throws {
    let names = FindingKind.allCases.filter { $0.severity == severity }.map(\.rawValue)
    #expect(try Self.kinds(in: section).map(\.name) == names)
    #expect(names.count > 5)
  }

  @Test(arguments: ["Failures", "Attention", "Notes"])
  func everyKindSaysWhatItMeansAndWhatToDo(section: String) throws {
    for kind in try Self.kinds(in: section) {
      #expect(kind.paragraphs.count == 2 && kind.paragraphs.allSatisfy { $0.count > 6 }, "\(kind.name)")
    }
  }

  @Test func namesAreLowerCaseWordsWithHyphens() {
    for kind in FindingKind.allCases {
      #expect(kind.rawValue.allSatisfy { $0 == "-" || $0.isASCII && $0.isLowercase }, "\(kind)")
    }
  }
}
