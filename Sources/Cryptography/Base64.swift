// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL

/// Base64 (RFC 4648 section 4).
package enum Base64 {
  private static let padding = UInt8(ascii: "=")

  /// Decodes `text`; nil if it contains anything but the alphabet and the padding that its length requires.
  ///
  /// Bits left unused by padding are ignored.
  package static func decode(_ text: [UInt8]) -> [UInt8]? {
    guard !text.isEmpty else { return [] }
    let paddingCount = text.reversed().prefix(2).prefix { $0 == padding }.count
    // libcrypto accepts padding characters anywhere and decodes them as zero bits.
    guard let size = CInt(exactly: text.count), text.count.isMultiple(of: 4),
      !text.dropLast(paddingCount).contains(padding)
    else { return nil }
    var bytes = [UInt8](repeating: 0, count: text.count / 4 * 3)
    let count = bytes.withUnsafeMutableBufferPointer { output in
      text.withUnsafeBufferPointer { EVP_DecodeBlock(output.baseAddress, $0.baseAddress, size) }
    }
    // libcrypto silently trims blanks at both ends; the result is then shorter.
    guard count == bytes.count else { return nil }
    return Array(bytes.dropLast(paddingCount))
  }
}
