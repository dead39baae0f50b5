// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// ASCII armour of a keyring (RFC 4880 section 6.2), which apt takes and gpgv does not.
enum OpenPGPArmor {
  private static let start = Array("-----BEGIN PGP PUBLIC KEY BLOCK-----".utf8)
  private static let end = Array("-----END PGP PUBLIC KEY BLOCK-----".utf8)

  /// The keys of all armoured blocks in `keyring`, or `keyring` itself if it has none. The checksum is not looked at:
  /// what a damaged key signs does not verify. Throws `TrustError` for a block that is none.
  static func binary(_ keyring: [UInt8], of path: String) throws(TrustError) -> [UInt8] {
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
        let bytes = base64(block[(blank + 1)..<last].prefix { $0.first != UInt8(ascii: "=") }.joined())
      else {
        throw TrustError(
          .signature, "\(path) is no keyring: its ASCII armour is damaged",
          hint: "get the keyring once more, or export the keys with gpg --export")
      }
      keys += bytes
      rest = rest[(last + 1)...]
    }
    return keys
  }

  /// RFC 4648 section 4; nil if there is anything else in it.
  private static func base64(_ text: some Sequence<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var (bits, count, padding) = (UInt32(0), 0, 0)
    for character in text {
      if character == UInt8(ascii: "=") {
        padding += 1
        continue
      }
      guard padding == 0, let value = value(of: character) else { return nil }
      bits = bits << 6 | value
      count += 1
      guard count.isMultiple(of: 4) else { continue }
      bytes += [UInt8(bits >> 16 & 0xff), UInt8(bits >> 8 & 0xff), UInt8(bits & 0xff)]
      bits = 0
    }
    switch (count % 4, padding) {
    case (0, 0): break
    case (2, 2): bytes.append(UInt8(bits >> 4 & 0xff))
    case (3, 1): bytes += [UInt8(bits >> 10 & 0xff), UInt8(bits >> 2 & 0xff)]
    default: return nil
    }
    return bytes
  }

  private static func value(of character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
