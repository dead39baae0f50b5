// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianPackage
import TestSupport
import Testing

@Suite struct DebianVersionTests {
  /// Versions of the table, with the number of their line: equal ones are on one line.
  private static func versions() throws -> [(line: Int, text: String)] {
    try Fixture.table("debian-versions").enumerated().flatMap { index, line in
      line.split(separator: " ").map { (index, String($0)) }
    }
  }

  /// version-order-test compares dpkg and perl's Dpkg::Version with the same table.
  @Test func orderIsThatOfDpkg() throws {
    let versions = try Self.versions()
    try #require(versions.count * (versions.count - 1) / 2 >= 3800)
    for (left, one) in versions {
      for (right, other) in versions {
        let (first, second) = (DebianVersion(one), DebianVersion(other))
        #expect((first < second) == (left < right) && (first == second) == (left == right), "\(one) and \(other)")
      }
    }
  }

  /// Texts that are not versions.
  private static let texts = ["", "1.-1", "1:2:3", "-", ":", "1:", "~", "a-b-c", "6.1.0-56-rt-amd64", "6.8.12-pve"]

  @Test func orderIsTotal() throws {
    let versions = try (Self.texts + Self.versions().map(\.text)).map { DebianVersion($0) }
    for left in versions {
      for right in versions {
        #expect([left < right, left == right, right < left].count { $0 } == 1)
      }
    }
  }

  @Test func tildesSortAsInDebianPolicy() {
    let wanted = ["~~", "~~a", "~", "", "a"]
    #expect(wanted.reversed().sorted { DebianVersion($0) < DebianVersion($1) } == wanted)
  }
}
