// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import CLinux
import Glibc

/// How other programs are run; tests put another in its place.
package struct ProcessRunner: Sendable {
  private let running: @Sendable (String, [String]) throws -> Int32

  package init(run: @escaping @Sendable (_ program: String, _ arguments: [String]) throws -> Int32) { running = run }

  /// Real processes, with this one's environment and working directory, nothing to read from standard input, and
  /// standard output going where standard error goes: a hook's own output is nobody's data.
  package init() { running = Self.spawn }

  /// Runs `program`, a path or a name looked up in PATH, to its end. Returns its exit code, or 128 plus the number of
  /// the signal that ended it. Throws `HostError` if it cannot be started.
  package func run(_ program: String, arguments: [String]) throws -> Int32 { try running(program, arguments) }

  private static func spawn(_ program: String, _ arguments: [String]) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, 2, 1)

    // What this program holds back or ignores for its own sake is not the other's.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, brokenPipe) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&brokenPipe)
    sigaddset(&brokenPipe, SIGPIPE)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &brokenPipe)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var argv = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var child = pid_t()
    let code = posix_spawnp(&child, program, &actions, &attributes, &argv, environ)
    guard code == 0 else { throw HostError("run", program, errno: code) }
    var status: Int32 = 0
    try SystemCall.check("wait for", program) { waitpid(child, &status, 0) }
    let signal = status & 0x7f
    return signal == 0 ? status >> 8 & 0xff : 128 + signal
  }
}

extension Host {
  /// Runs another program to its end, see `ProcessRunner.run`.
  package func run(_ program: String, arguments: [String]) throws -> Int32 {
    try processes.run(program, arguments: arguments)
  }
}
