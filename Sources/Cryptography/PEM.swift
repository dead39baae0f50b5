// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

/// The textual encoding of keys and certificates (RFC 7468).
package enum PEM {
  /// The first block in a text whose label ends in `label`, such as `PRIVATE KEY`, from its BEGIN line to its END line;
  /// nil if there is none.
  ///
  /// The content is not checked.
  package static func block(labelled label: String, in text: [UInt8]) -> [UInt8]? {
    var block: [UInt8]?
    for line in text.split(separator: 0x0a, omittingEmptySubsequences: false) {
      let trimmed = line.last == 0x0d ? line.dropLast() : line
      let ends = trimmed.suffix(label.utf8.count + 5).elementsEqual("\(label)-----".utf8)
      if block == nil, ends, trimmed.starts(with: "-----BEGIN ".utf8) { block = [] }
      guard block != nil else { continue }
      block? += trimmed + [0x0a]
      if ends, trimmed.starts(with: "-----END ".utf8) { return block }
    }
    return nil
  }

  /// Encodes DER under a label.
  package static func encode(_ der: [UInt8], label: String) throws(CryptoError) -> [UInt8] {
    return try collectFromBIO("cannot encode \(label)") { bio in
      PEM_write_bio(bio, label, "", der, der.count) > 0 ? 1 : 0
    }
  }
}
