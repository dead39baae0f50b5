// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
import Messages

/// Runs other programs; replaced in tests.
package struct ProcessRunner: Sendable {
  private let running: @Sendable (String, [String]) throws -> Int32
  private let interacting: @Sendable (String, [String]) throws -> Int32
  private let collecting: @Sendable (String, [String], Int) throws -> ProcessOutput

  /// Without `interact` or `collect`, `run` is used instead; `collect` then returns no output.
  package init(
    run: @escaping @Sendable (_ program: String, _ arguments: [String]) throws -> Int32,
    interact: (@Sendable (_ program: String, _ arguments: [String]) throws -> Int32)? = nil,
    collect: (@Sendable (_ program: String, _ arguments: [String], _ limit: Int) throws -> ProcessOutput)? = nil
  ) {
    running = run
    interacting = interact ?? run
    collecting = collect ?? { program, arguments, _ in ProcessOutput(status: try run(program, arguments)) }
  }

  /// Runs real processes with this process's environment and working directory.
  package init() {
    self.init(
      run: { try Self.spawn($0, arguments: $1, isInteractive: false) },
      interact: { try Self.spawn($0, arguments: $1, isInteractive: true) },
      collect: { try Self.capture($0, arguments: $1, limit: $2) })
  }

  /// Runs `program`, a path or a name in PATH, with empty standard input, and waits for it.
  ///
  /// Its standard output goes to standard error, since nothing parses the output of a hook. Returns its exit code, or
  /// 128 plus the number of the signal that ended it. Throws `HostError` if it cannot be started.
  package func run(_ program: String, arguments: [String]) throws -> Int32 { try running(program, arguments) }

  /// As `run`, but the program uses this process's terminal, and Ctrl-C there does not end this process, as with
  /// system(3).
  package func interact(_ program: String, arguments: [String]) throws -> Int32 {
    try interacting(program, arguments)
  }

  /// As `run`, but returns the output of the program.
  ///
  /// Throws `HostError` if standard output or standard error has more than `limit` bytes.
  package func collect(_ program: String, arguments: [String], limit: Int = 1 << 20) throws -> ProcessOutput {
    try collecting(program, arguments, limit)
  }

  private static func capture(_ program: String, arguments: [String], limit: Int) throws -> ProcessOutput {
    let files = try (0..<2).map { _ in
      try File(
        owning: Descriptor(owning: SystemCall.check("create", of: "a file in memory") { psu_memory_file() }),
        path: program)
    }
    let status = try spawn(program, arguments: arguments, isInteractive: false, streams: files.map(\.number))
    return ProcessOutput(
      status: status, output: try files[0].readToEnd(limit: limit), errors: try files[1].readToEnd(limit: limit))
  }

  /// `streams` are descriptors for standard output and standard error, if not empty.
  private static func spawn(
    _ program: String, arguments: [String], isInteractive: Bool, streams: [Int32] = []
  ) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if !isInteractive {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
      posix_spawn_file_actions_adddup2(&actions, 2, 1)
    }
    for (target, stream) in zip([1, 2] as [Int32], streams) {
      posix_spawn_file_actions_adddup2(&actions, stream, target)
    }
    let interruptions = isInteractive ? [SIGINT, SIGQUIT] : []
    let handlers = interruptions.map { ($0, signal($0, SIG_IGN)) }
    defer { for (number, handler) in handlers { signal(number, handler) } }

    // The child must not inherit the signals that this process blocks or ignores.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, defaults) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&defaults)
    for number in ProcessSetup.writeSignals + interruptions { sigaddset(&defaults, number) }
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

/// The exit code and output of a program.
package struct ProcessOutput: Hashable, Sendable {
  /// Exit code, or 128 plus the number of the signal that ended it.
  package var status: Int32
  package var output: [UInt8]
  package var errors: [UInt8]

  package init(status: Int32, output: [UInt8] = [], errors: [UInt8] = []) {
    self.status = status
    self.output = output
    self.errors = errors
  }
}

extension Host {
  /// Runs another program, see `ProcessRunner.run`.
  package func run(_ program: String, arguments: [String]) throws -> Int32 {
    try processes.run(program, arguments: arguments)
  }
}
