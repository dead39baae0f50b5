// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
internal import Messages

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
