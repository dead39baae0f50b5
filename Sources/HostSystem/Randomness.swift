// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
import Messages

/// `count` bytes from the kernel's generator.
func randomBytes(_ count: Int) throws(HostError) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  try SystemCall.check("read", of: "the random number generator") {
    bytes.withUnsafeMutableBytes { psu_random($0.baseAddress, $0.count) }
  }
  return bytes
}
