// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// What a section holds: parts one behind the other, each but the first beginning at a multiple of 4 bytes, as the
/// kernel wants concatenated initrds.
package struct SectionContent: Sendable {
  package let name: String
  package let parts: [any RandomAccessBytes]

  package init(name: String, parts: [any RandomAccessBytes]) {
    self.name = name
    self.parts = parts
  }

  package static let partAlignment = 4

  /// Size of the whole in bytes; `Int.max` stands for all that is larger, as sparse files can be.
  package var size: Int {
    parts.reduce(0) { size, part in
      guard let start = size.roundedUp(toMultipleOf: Self.partAlignment) else { return .max }
      let (end, overflow) = start.addingReportingOverflow(part.count)
      return overflow ? .max : end
    }
  }
}
