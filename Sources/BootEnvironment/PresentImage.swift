// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A file in this program's name space as it was found on a partition.
package struct PresentImage: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    /// The bytes that the manifest records under this digest; `booted` as there.
    case recorded(digest: [UInt8], booted: Int64?)
    /// Not in the manifest, but whole and signed with the certificate in use.
    case signed
    /// Damaged, or made by somebody else.
    case unknown
  }

  package var name: ImageName
  /// Bytes.
  package var size: Int
  package var content: Content

  package init(_ name: ImageName, size: Int, _ content: Content) {
    self.name = name
    self.size = size
    self.content = content
  }

  /// Whether this program made it and it is whole: only such images are removed, and only such count as something to
  /// boot from.
  package var isOurs: Bool { content != .unknown }

  /// When a machine that was booted from it started, in seconds since 1970; nil if none has been seen.
  package var booted: Int64? {
    guard case .recorded(_, let booted) = content else { return nil }
    return booted
  }

  package func holds(_ digest: [UInt8]) -> Bool {
    guard case .recorded(let own, _) = content else { return false }
    return own == digest
  }
}
