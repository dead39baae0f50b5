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

/// What every program does first.
package enum ProcessSetup {
  /// Makes failed writes errors instead of deaths, forbids core files, and keeps new files accessible to this process.
  package static func perform() {
    for number in writeSignals { signal(number, SIG_IGN) }
    CoreFile.forbid()
    // Modes of files with secrets are set explicitly; other bits of the umask are respected.
    umask(umask(0o077) & 0o077)
  }

  /// Ends the process without destructors and functions of atexit(3): those of libraries for tokens crash.
  ///
  /// All output of this project is unbuffered; that of others is written here.
  package static func end(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
  }

  /// The signals of a write(2) to a closed pipe and beyond RLIMIT_FSIZE; ignored, it fails with EPIPE or EFBIG.
  static let writeSignals = [SIGPIPE, SIGXFSZ]
}

/// The end of a process after a fault in the program, such as an arithmetic overflow.
///
/// A hook that died by a signal would stop apt, and say nothing.
package enum CrashReport {
  /// Prints `line` on standard error and exits in case of a fault, instead of dying by SIGILL, SIGTRAP, SIGABRT, SIGBUS,
  /// SIGFPE, SIGSEGV or SIGSYS.
  ///
  /// At most 511 bytes of the line are printed.
  package static func enable(printing line: String) { psu_report_crashes(line) }

  /// Sets the exit code for that case; 0 by default.
  package static func setExitCode(_ code: Int32) { psu_set_crash_code(code) }
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
