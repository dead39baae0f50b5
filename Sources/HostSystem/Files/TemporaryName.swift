// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat

/// The name a file has until it is complete: hidden and with a suffix of ours, so that run-parts, systemd-boot and
/// the firmware's menus pass it over.
package enum TemporaryName {
  private static let suffix = ".pve-sb-uki.tmp"

  /// A name for a file that will be called `name`; `random` keeps two writers apart.
  static func make(for name: String, random: [UInt8]) -> String { ".\(name).\(random.hexadecimal)\(suffix)" }

  /// Whether `name` is one that a write which never ended has left behind.
  package static func matches(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(suffix) }
}
