// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// Why an image cannot be signed or its signature not be read.
package struct AuthenticodeError: Error, Hashable, Sendable, MessageConvertible {
  /// The rule that does not hold; an open set.
  package struct Rule: Hashable, Sendable {
    private let name: String
    /// Signers and firmware would digest different bytes.
    package static let layout = Rule(name: "layout")
    /// The image has no data directory that could name a certificate table.
    package static let noDirectory = Rule(name: "no directory")
    /// The signature is not of the shape EDK2 reads.
    package static let shape = Rule(name: "shape")
    /// The file grows beyond what the format can describe.
    package static let size = Rule(name: "size")
  }

  package var rule: Rule
  /// A full sentence without its full stop.
  package var message: Message

  package init(_ rule: Rule, _ message: Message) {
    self.rule = rule
    self.message = message
  }
}
