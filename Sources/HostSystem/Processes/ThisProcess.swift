// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

/// The arguments of this process, also where /proc is not mounted and `CommandLine.arguments` is empty.
package enum ProcessArguments {
  /// All of them; the first is what the program was called as.
  package static var all: [String] {
    var arguments: [String] = []
    while let argument = psu_argument(Int32(arguments.count)) { arguments.append(String(cString: argument)) }
    return arguments
  }
}

/// What the system would write if this process crashed or was told to quit: with a key loaded, the private key.
package enum CoreFile {
  /// No core file from here on, for this process and those it starts; systemd-coredump keeps to the limit too.
  package static func forbid() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}

/// Holds back the signals that would end the program, so that it can tidy up first: they are delivered at `release`.
struct HeldTermination: @unchecked Sendable {  // sigset_t is plain data
  private var previous = sigset_t()

  init() { psu_hold_termination(&previous) }

  /// Whether such a signal has come.
  var isRequested: Bool {
    var previous = previous
    return psu_pending_termination(&previous) != 0
  }

  /// Throws `HostError` if such a signal has come.
  func check(_ operation: Message, _ path: String) throws(HostError) {
    guard isRequested else { return }
    throw HostError(operation, path, detail: "a signal asked to stop")
  }

  func release() {
    var mask = previous
    pthread_sigmask(SIG_SETMASK, &mask, nil)
  }
}
