// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
package import Messages
internal import SecureBoot

/// MokManager's screens at the next boot, as shim 15.8 and 16.1 show them.
package enum MokManagerWalk {
  /// The seconds that MokManager waits for a key unless a request says otherwise.
  package static let defaultSeconds = 10

  /// The screens in order, each with what to press; one line each.
  ///
  /// - Parameters:
  ///   - certificates: those that MokManager offers.
  ///   - seconds: how long it waits for a key; nil if that is unknown.
  /// - Returns: the lines, without line feeds.
  package static func lines(_ certificates: [Certificate], seconds: Int?) -> [Message] {
    let first: Message =
      seconds.map { "Press any key to perform MOK management: press a key within \($0) seconds." }
      ?? "Press any key to perform MOK management: press a key at once."
    let prints = certificates.compactMap { certificate -> Message? in
      guard let digest = try? Digest.of(certificate.der, .sha1) else { return nil }
      return "   \(certificate.displayName), SHA-1 \(digest.hexadecimal.uppercased())"
    }
    return [
      "You need a monitor, the console of a BMC, or a serial console that the firmware uses, too.",
      "1. \(first)",
      "2. Perform MOK management: choose Enroll MOK.",
      "3. [Enroll MOK]: View key shows the certificate; compare its fingerprint, then choose Continue.",
    ] + prints + [
      "4. Enroll the key(s)?: choose Yes.",
      "5. Password: type the password. It is not shown, and the keyboard has the American layout.",
      "6. Perform MOK management: choose Reboot.",
      "On a serial console: use the arrow keys and Enter. If arrow keys do nothing, set the terminal to VT100+ or VT-UTF8.",
      "If no key is pressed in time, or after Continue boot, the request is gone: run 'pve-sb-uki enroll --mok' again.",
    ]
  }
}
