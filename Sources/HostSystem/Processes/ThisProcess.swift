// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

/// The arguments of this process, even if /proc is not mounted and `CommandLine.arguments` is empty.
package enum ProcessArguments {
  /// All arguments; the first is the name by which the program was called.
  package static var all: [String] {
    var arguments: [String] = []
    while let argument = psu_argument(Int32(arguments.count)) { arguments.append(String(cString: argument)) }
    return arguments
  }
}

/// The core file that the system writes after a crash or SIGQUIT; it could contain the private key.
package enum CoreFile {
  /// Disables core files for this process and its children; systemd-coredump also respects the limit.
  package static func forbid() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}

/// Blocks termination signals until `release`, so that the program can clean up first.
struct HeldTermination: @unchecked Sendable {  // sigset_t is plain data
  private var previous = sigset_t()

  init() { psu_hold_termination(&previous) }

  /// Whether such a signal is pending.
  var isRequested: Bool {
    var previous = previous
    return psu_pending_termination(&previous) != 0
  }

  /// Throws `HostError` if such a signal is pending.
  func check(_ operation: Message, _ path: String) throws(HostError) {
    guard isRequested else { return }
    throw HostError(operation, path, detail: "interrupted by a signal")
  }

  func release() {
    var mask = previous
    pthread_sigmask(SIG_SETMASK, &mask, nil)
  }
}
