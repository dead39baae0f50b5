// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianPackage

extension Kernel {
  /// The series as Proxmox names it, major and minor number: `6.8` of `6.8.12-4-pve`; nil for a release that does not
  /// begin with two numbers.
  package var series: String? {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let bytes = release.utf8
    let major = bytes.prefix { digits.contains($0) }
    let rest = bytes[major.endIndex...]
    guard !major.isEmpty, rest.first == UInt8(ascii: ".") else { return nil }
    let minor = rest.dropFirst().prefix { digits.contains($0) }
    return minor.isEmpty ? nil : String(bytes[..<minor.endIndex])
  }

  /// Whether Proxmox made the kernel, or somebody from Proxmox's: `pve` begins a part of its release other than the
  /// first, as in `6.8.12-4-pve` and `6.8.12-4-pve-custom`.
  package var isProxmox: Bool { release.split(separator: "-").dropFirst().contains { $0.hasPrefix("pve") } }

  /// Whether the kernel comes before `other` in a list that begins with the newest. Releases of equal versions, such as
  /// `6.8` and `6.08`, have an order too, so that it is the same in each run.
  package func isNewer(than other: Kernel) -> Bool {
    let (left, right) = (DebianVersion(release), DebianVersion(other.release))
    return left == right ? other.release.utf8.lexicographicallyPrecedes(release.utf8) : left > right
  }
}
