// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import CLinux
import Glibc

/// How other programs are run; tests put another in its place.
package struct ProcessRunner: Sendable {
  private let running: @Sendable (String, [String]) throws -> Int32
  private let interacting: @Sendable (String, [String]) throws -> Int32

  /// `interact` is `run` if it is not given.
  package init(
    run: @escaping @Sendable (_ program: String, _ arguments: [String]) throws -> Int32,
    interact: (@Sendable (_ program: String, _ arguments: [String]) throws -> Int32)? = nil
  ) {
    running = run
    interacting = interact ?? run
  }

  /// Real processes, with this one's environment and working directory.
  package init() {
    self.init(
      run: { try Self.spawn($0, $1, isInteractive: false) }, interact: { try Self.spawn($0, $1, isInteractive: true) })
  }

  /// Runs `program`, a path or a name looked up in PATH, to its end, with nothing to read from standard input, and with
  /// standard output going where standard error goes: a hook's own output is nobody's data. Returns its exit code, or 128
  /// plus the number of the signal that ended it. Throws `HostError` if it cannot be started.
  package func run(_ program: String, arguments: [String]) throws -> Int32 { try running(program, arguments) }

  /// As `run`, but the program has this one's terminal, and what is typed there to interrupt it does not end this one
  /// (as system(3) does it).
  package func interact(_ program: String, arguments: [String]) throws -> Int32 {
    try interacting(program, arguments)
  }

  private static func spawn(_ program: String, _ arguments: [String], isInteractive: Bool) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if !isInteractive {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
      posix_spawn_file_actions_adddup2(&actions, 2, 1)
    }
    let interruptions = isInteractive ? [SIGINT, SIGQUIT] : []
    let handlers = interruptions.map { ($0, signal($0, SIG_IGN)) }
    defer { for (number, handler) in handlers { signal(number, handler) } }

    // What this program holds back or ignores for its own sake is not the other's.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, defaults) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&defaults)
    for number in [SIGPIPE] + interruptions { sigaddset(&defaults, number) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var argv = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var child = pid_t()
    let code = posix_spawnp(&child, program, &actions, &attributes, &argv, environ)
    guard code == 0 else { throw HostError("run", program, errno: code) }
    var status: Int32 = 0
    try SystemCall.check("wait for", program) { waitpid(child, &status, 0) }
    let end = status & 0x7f
    return end == 0 ? status >> 8 & 0xff : 128 + end
  }
}

extension Host {
  /// Runs another program to its end, see `ProcessRunner.run`.
  package func run(_ program: String, arguments: [String]) throws -> Int32 {
    try processes.run(program, arguments: arguments)
  }
}
