// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat

/// The name of a file until it is complete: hidden and with pve-sb-uki's suffix, so that run-parts, systemd-boot and
/// the firmware's menus ignore it.
package enum TemporaryName {
  private static let suffix = ".pve-sb-uki.tmp"

  /// A temporary name for the file `name`; `random` makes it unique for each writer.
  static func make(for name: String, random: [UInt8]) -> String { ".\(name).\(random.hexadecimal)\(suffix)" }

  /// Whether `name` is a temporary name, left behind by an unfinished write.
  package static func matches(_ name: String) -> Bool { matches(name, for: nil) }

  /// Whether it is a temporary name for the file `target`; nil for any file.
  static func matches(_ name: String, for target: String?) -> Bool {
    name.hasPrefix(target.map { ".\($0)." } ?? ".") && name.hasSuffix(suffix)
  }
}
