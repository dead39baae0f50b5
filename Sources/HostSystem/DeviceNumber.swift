// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc

/// What the kernel calls a device by, whatever its names.
package struct DeviceNumber: Hashable, Sendable {
  package var major: UInt32
  package var minor: UInt32

  package init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }

  init(_ number: dev_t) {
    major = psu_device_major(number)
    minor = psu_device_minor(number)
  }

  /// From `8:1`, as /proc and /sys write it; nil for any other text.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]) else { return nil }
    self.init(major: major, minor: minor)
  }
}

extension DeviceNumber: CustomStringConvertible {
  package var description: String { "\(major):\(minor)" }
}
