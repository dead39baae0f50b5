// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What gpgv reports on its status descriptor (GnuPG, doc/DETAILS).
struct GpgvStatus: Hashable {
  /// Fingerprints of the primary keys whose signatures are good: neither they nor the keys have expired or are revoked.
  private(set) var signers: [String] = []
  private(set) var hasBadSignature = false

  init(parsing output: [UInt8]) {
    var isGood = false
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard words.count > 1, words[0] == "[GNUPG:]" else { continue }
      switch words[1] {
      case "NEWSIG": isGood = false
      case "GOODSIG": isGood = true
      case "BADSIG": hasBadSignature = true
      case "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG": isGood = false
      // The last of its arguments is the primary key's, where there is one.
      case "VALIDSIG" where isGood && words.count > 2: signers.append(String(words.count > 11 ? words[11] : words[2]))
      default: break
      }
    }
  }
}
