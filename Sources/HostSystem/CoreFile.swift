// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// What the system would write if this process crashed or was told to quit: with a key loaded, the private key.
package enum CoreFile {
  /// No core file from here on, for this process and those it starts; systemd-coredump keeps to the limit too.
  package static func forbid() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}
