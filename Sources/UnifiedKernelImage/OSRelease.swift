// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The content of `.osrel`, an os-release(5) file, as systemd-boot reads it.
package enum OSRelease {
  /// The keys that systemd-boot takes an entry's title from; it does not list a UKI without all of them.
  package static let titleKeys = ["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"]

  /// Whether the text has a value for one of `titleKeys`.
  package static func hasTitle(_ text: [UInt8]) -> Bool {
    text.split { $0 == 0x0a || $0 == 0x0d }.contains { line in
      let line = line.drop(while: isBlank)
      let key = line.prefix { $0 != UInt8(ascii: "=") }
      let value = line.dropFirst(key.count).drop { $0 == UInt8(ascii: "=") }
      return titleKeys.contains(String(decoding: key, as: UTF8.self)) && value.contains { !isBlank($0) && !isMark($0) }
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
  private static func isMark(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") }
}
