// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

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
    let lines = keyring.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
      line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }
    guard lines.contains(where: { $0.elementsEqual(start) }) else { return keyring }
    var keys: [UInt8] = []
    var rest = lines[...]
    while let first = rest.firstIndex(where: { $0.elementsEqual(start) }) {
      let block = rest[(first + 1)...]
      guard let last = block.firstIndex(where: { $0.elementsEqual(end) }),
        let blank = block[..<last].firstIndex(where: { $0.isEmpty }),
        let bytes = Base64.decode(Array(block[(blank + 1)..<last].prefix { $0.first != UInt8(ascii: "=") }.joined()))
      else {
        throw TrustError(
          .signature, "\(path) is not a keyring: its ASCII armour is damaged",
          hint: "download the keyring again, or export the keys with gpg --export")
      }
      keys += bytes
      rest = rest[(last + 1)...]
    }
    return keys
  }
}
