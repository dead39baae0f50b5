// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import Messages

/// The ASCII armour of a keyring (RFC 4880 section 6.2), which apt supports but gpgv does not.
package enum OpenPGPArmor {
  private static let start = Array("-----BEGIN PGP PUBLIC KEY BLOCK-----".utf8)
  private static let end = Array("-----END PGP PUBLIC KEY BLOCK-----".utf8)

  /// The keys of all armoured blocks in `keyring`, or `keyring` itself if it has no armoured block.
  ///
  /// The checksum is ignored, since a damaged key verifies no signature. Throws `TrustError` for a block without an end
  /// line or with malformed Base64.
  package static func binary(_ keyring: [UInt8], of path: String) throws(TrustError) -> [UInt8] {
    var keys: [UInt8] = []
    var place = Place.outside
    var isArmoured = false
    var text: [UInt8] = []
    for rawLine in ByteLines(keyring) {
      let line = rawLine.last == UInt8(ascii: "\r") ? rawLine.dropLast() : rawLine
      switch place {
      case .outside:
        if line.elementsEqual(start) { (place, isArmoured) = (.headers, true) }
      case .headers where line.isEmpty: place = .text
      case .headers, .checksum, .text:
        if line.elementsEqual(end) {
          guard place != .headers, let bytes = Base64.decode(text) else { throw damaged(path) }
          keys += bytes
          (place, text) = (.outside, [])
        } else if place == .text {
          if line.first == UInt8(ascii: "=") { place = .checksum } else { text += line }
        }
      }
    }
    guard place == .outside else { throw damaged(path) }
    return isArmoured ? keys : keyring
  }

  /// Where a line is.
  private enum Place { case outside, headers, text, checksum }

  private static func damaged(_ path: String) -> TrustError {
    TrustError(
      .signature, "\(path) is not a keyring: its ASCII armour is damaged",
      hint: "download the keyring again, or export the keys with gpg --export")
  }
}
