// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A version `[epoch:]upstream[-revision]`, ordered as in Debian Policy 5.6.12.
///
/// Any text is accepted, as by `dpkg --compare-versions`. Different texts can be equal: `1.0` and `1.00`, `1.0` and
/// `0:1.0-0`. A kernel release is not a version: see `Kernel.isNewer`.
package struct DebianVersion: Sendable {
  private let epoch: [UInt8]
  private let upstream: [UInt8]
  private let revision: [UInt8]

  package init(_ text: some StringProtocol) {
    var rest = Array(text.utf8)[...]
    let digits = rest.prefix { $0 != UInt8(ascii: ":") }
    if digits.count < rest.count, !digits.isEmpty, digits.allSatisfy(VersionSort.isDigit) {
      epoch = Array(digits)
      rest = rest.dropFirst(digits.count + 1)
    } else {
      epoch = []
    }
    if let hyphen = rest.lastIndex(of: UInt8(ascii: "-")) {
      upstream = Array(rest[..<hyphen])
      revision = Array(rest[(hyphen + 1)...])
    } else {
      upstream = Array(rest)
      revision = []
    }
  }
}

extension DebianVersion: Comparable {
  package static func == (left: DebianVersion, right: DebianVersion) -> Bool { compare(left, right) == 0 }
  package static func < (left: DebianVersion, right: DebianVersion) -> Bool { compare(left, right) < 0 }

  /// Negative, zero or positive if `left` is less than, equal to or greater than `right`.
  private static func compare(_ left: DebianVersion, _ right: DebianVersion) -> Int {
    for (one, other) in [
      (left.epoch, right.epoch), (left.upstream, right.upstream), (left.revision, right.revision),
    ] {
      let difference = VersionSort.comparePieces(one[...], other[...])
      if difference != 0 { return difference }
    }
    return 0
  }
}
