// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
internal import EFIData
import Glibc
package import Messages

/// The machine that pve-sb-uki works on: its files, clock, randomness and environment.
///
/// All access goes through this value, so that tests and `--root` can replace parts of it.
package struct Host: Sendable {
  /// Files of the host, by absolute path, inside its root directory.
  package var files: FileSystem
  /// Files named on the command line, relative to the working directory; `--root` does not affect them.
  package var userFiles: FileSystem
  /// The firmware's variables.
  package var variables: EFIVariableStore
  /// Access to partitions by device, without a mount point.
  package var partitions: PartitionAccess
  /// Runs other programs.
  package var processes: ProcessRunner
  /// The user, for questions.
  package var terminal: Terminal
  /// How this run gets passphrases of keys.
  package var passphrases = PassphraseInput()
  /// Called with each step that may take seconds, before it starts.
  package var progress: @Sendable (Message) -> Void = { _ in }
  /// Whether a person sees `progress`, so that long steps report how far they are.
  package var isWatched = false
  /// The value of an environment variable; nil if it is not set.
  package var environment: @Sendable (String) -> String?
  /// Seconds since 1970, from 0 to the end of the year 9999, whatever the clock returns.
  package var now: @Sendable () -> Int64 {
    get { { [clock] in min(max(clock(), 0), EFITime.unixRange.upperBound - 1) } }
    set { clock = newValue }
  }
  private var clock: @Sendable () -> Int64
  /// When this program was built, in seconds since 1970; nil if unknown.
  ///
  /// Files of a Debian package have the date of its changelog entry.
  package var programTime: Int64?
  /// Release of the running kernel, from uname(2).
  package var kernelRelease: String
  package var hostName: String
  package var effectiveUserID: UInt32
  /// Whether host paths belong to the running machine, rather than to another root.
  package var isRunningSystem: Bool

  /// This machine with `root` as its root directory.
  ///
  /// Throws `HostError` unless `root` is a directory.
  package init(root: String = "/", gate: @escaping Mutation.Gate = { _ in }) throws {
    files = try FileSystem(root: root, gate: gate)
    userFiles = FileSystem(gate: gate)
    variables = EFIVariableStore(of: files)
    partitions = PartitionAccess(of: files)
    processes = ProcessRunner()
    terminal = Terminal()
    environment = { name in getenv(name).map { String(cString: $0) } }
    clock = { @Sendable in Int64(time(nil)) }
    programTime = (try? FileSystem().status(of: "/proc/self/exe"))?.map { $0.modified / 1_000_000_000 }
    var names = utsname()
    try SystemCall.check("read", of: "the name of the running kernel") { uname(&names) }
    kernelRelease = withUnsafeBytes(of: &names.release) { Self.text($0) }
    hostName = withUnsafeBytes(of: &names.nodename) { Self.text($0) }
    effectiveUserID = geteuid()
    isRunningSystem = root == "/"
  }

  /// The same host for one observation: each file and each variable is examined once.
  package func remembering() -> Host {
    if files.isRemembering { return self }
    var host = self
    host.files = files.remembering()
    host.variables = variables.remembering(with: host.files)
    return host
  }

  /// The time to record in output, from SOURCE_DATE_EPOCH, in seconds since 1970; nil if that is unset or empty.
  ///
  /// Throws `Failure` unless it is a number of seconds up to the year 9999.
  package var buildTime: Int64? {
    get throws {
      guard let text = environment("SOURCE_DATE_EPOCH"), !text.isEmpty else { return nil }
      guard let seconds = EFITime.unixSeconds(parsing: text) else {
        throw Failure(
          "SOURCE_DATE_EPOCH has the invalid value '\(text)'",
          hint: "unset it, or set it to the output of 'date +%s', at most \(EFITime.unixRange.upperBound - 1)")
      }
      return seconds
    }
  }

  /// Whether the clock says a time before this program was built, as it does at boot without a battery.
  package var isClockBehind: Bool { programTime.map { now() < $0 } ?? false }

  /// The clock's time, or the time when this program was built if that is later.
  ///
  /// For dates that outlive a wrong clock.
  package var plausibleTime: Int64 { max(now(), programTime ?? .min) }

  /// `count` random bytes, good enough for keys.
  package func randomBytes(_ count: Int) throws -> [UInt8] { try HostSystem.randomBytes(count) }

  private static func text(_ field: UnsafeRawBufferPointer) -> String {
    String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// `count` bytes from the kernel's random number generator.
func randomBytes(_ count: Int) throws(HostError) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  try SystemCall.check("read", of: "the random number generator") {
    bytes.withUnsafeMutableBytes { psu_random($0.baseAddress, $0.count) }
  }
  return bytes
}

extension Host {
  /// The boot ID of the running system, `/proc/sys/kernel/random/boot_id` (random(4)): a new UUID for each boot.
  ///
  /// Nil if it cannot be read.
  package var bootID: String? {
    let text = (try? files.readTextIfPresent("/proc/sys/kernel/random/boot_id", limit: 256)).flatMap { $0 }
    let id = text.map { $0.prefix { $0 != "\n" } } ?? ""
    return id.utf8.count == 36 && id.allSatisfy { $0.isHexDigit || $0 == "-" } ? String(id) : nil
  }
}
