// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
internal import EFIData
package import HostSystem

/// The trials of UKIs, in `/var/lib/pve-sb-uki/trial`.
///
/// Everything that names a UKI names its content, so a file that is rebuilt is another UKI. Boot IDs tell one boot from
/// the next, since a clock can jump.
package struct TrialRecord: Hashable, Sendable {
  /// A UKI that the firmware was told to boot once.
  package struct Attempt: Hashable, Sendable {
    /// SHA-256 of the file.
    package var digest: [UInt8]
    package var name: UKIName
    /// Name of the ESP.
    package var esp: String
    /// The boot ID of the system that has requested it; of the system under test once a test was started.
    package var bootID: String
    /// When it was requested, in seconds since 1970.
    package var time: Int64
    /// Number of the boot entry; nil until BootNext is set, and with systemd-boot, which has a variable of its own.
    package var entry: UInt16?
    /// The profile that is started; nil for the UKI without a choice.
    package var profile: Int?
    /// Whether the firmware or systemd-boot has been told.
    package var isArmed = false
    /// The boot ID of a system that was booted although the request was still there; nil if there was none.
    package var skippedBy: String?
    /// What is tested with it; nil for a trial of the UKI.
    package var test: ResetTest?
    /// When the test was started in the trial, in seconds since 1970; nil before that.
    package var started: Int64?
  }

  /// A UKI that did not come up.
  package struct Failed: Hashable, Sendable {
    /// SHA-256 of the file.
    package var digest: [UInt8]
    package var name: UKIName
    /// When that was noticed, in seconds since 1970.
    package var time: Int64
    /// The last words of its kernel; nil if the machine has kept none.
    package var lastWords: String?
  }

  /// What the firmware does with the request to boot an entry once.
  package enum Firmware: String, Sendable {
    /// It boots the entry and forgets the request.
    case works
    /// It boots the entry again and again.
    case repeats
    /// It boots something else.
    case ignores
  }

  /// The UKI under trial; nil if there is none.
  package var attempt: Attempt?
  /// UKIs that are not tried again, oldest first.
  package var failures: [Failed] = []
  /// The UKI that `boot trial` has requested; nil if there is none.
  package var request: UKIName?
  /// What `boot trial --self-test` has requested to be tested with it.
  package var requestedTest: ResetTest?
  /// When each way out of a dead boot was proven, in seconds since 1970.
  package var passed: [ResetTest: Int64] = [:]
  /// Tests after which the machine did not come back in time, and when they were started.
  package var late: [ResetTest: Int64] = [:]
  /// Nil before the first trial.
  package var firmware: Firmware?

  package static let path = "/var/lib/pve-sb-uki/trial"
  private static let sizeLimit = 1 << 16
  private static let failureLimit = 20

  package init() {}

  /// Whether this UKI did not come up.
  package func hasFailed(_ digest: [UInt8]) -> Bool { failures.contains { $0.digest == digest } }

  /// Forgets what `boot trial` has requested.
  mutating func endRequest() {
    request = nil
    requestedTest = nil
  }

  /// Whether the firmware can be trusted with a trial, as far as is known.
  package var allowsTrials: Bool { firmware == nil || firmware == .works }
}

/// A way out of a dead boot that `boot trial --self-test` proves.
package enum ResetTest: String, CaseIterable, Sendable {
  /// The kernel panics.
  case panic
  /// The first process stops, and with it the watchdog's feeding.
  case watchdog
  /// The boot is never confirmed.
  case deadline
}

// One record per line, fields separated by one space, names and texts last:
//
//     attempt SHA256 BOOT-ID SECONDS ENTRY|- PROFILE|- armed|arming FILENAME ESP
//     test TEST SECONDS                       (of the attempt; 0: not started)
//     skipped BOOT-ID                         (of the attempt)
//     failed SHA256 SECONDS FILENAME [TEXT]
//     request FILENAME [TEST]
//     passed TEST SECONDS
//     late TEST SECONDS
//     firmware works|repeats|ignores
//
// Other lines are ignored.
extension TrialRecord {
  /// Loads the record of the host; empty if it does not exist or cannot be read.
  package static func load(from files: FileSystem) -> TrialRecord {
    let text = (try? files.readTextIfPresent(path, limit: sizeLimit)).flatMap { $0 } ?? ""
    return TrialRecord(parsing: text)
  }

  init(parsing text: String) {
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ", maxSplits: 8, omittingEmptySubsequences: false).map(String.init)
      switch fields.first {
      case "attempt": attempt = Self.attempt(fields)
      case "test" where fields.count == 3:
        attempt?.test = ResetTest(rawValue: fields[1])
        attempt?.started = EFITime.unixSeconds(parsing: fields[2][...]).flatMap { $0 > 0 ? $0 : nil }
      case "skipped" where fields.count == 2: attempt?.skippedBy = fields[1]
      case "failed": if let failed = Self.failed(line) { failures.append(failed) }
      case "request" where fields.count >= 2:
        request = UKIName(fileName: fields[1])
        requestedTest = fields.count > 2 ? ResetTest(rawValue: fields[2]) : nil
      case "passed" where fields.count == 3:
        if let test = ResetTest(rawValue: fields[1]) { passed[test] = EFITime.unixSeconds(parsing: fields[2][...]) }
      case "late" where fields.count == 3:
        if let test = ResetTest(rawValue: fields[1]) { late[test] = EFITime.unixSeconds(parsing: fields[2][...]) }
      case "firmware" where fields.count == 2: firmware = Firmware(rawValue: fields[1])
      default: break
      }
    }
  }

  private static func attempt(_ fields: [String]) -> Attempt? {
    guard fields.count == 9, let digest = digest(fields[1]), let time = EFITime.unixSeconds(parsing: fields[3][...]),
      let name = UKIName(fileName: fields[7]), !fields[8].isEmpty
    else { return nil }
    return Attempt(
      digest: digest, name: name, esp: fields[8], bootID: fields[2], time: time,
      entry: UInt16(fields[4], radix: 16), profile: Int(fields[5]).flatMap { 0...255 ~= $0 ? $0 : nil },
      isArmed: fields[6] == "armed")
  }

  private static func failed(_ line: Substring) -> Failed? {
    let fields = line.split(separator: " ", maxSplits: 4).map(String.init)
    guard fields.count >= 4, let digest = digest(fields[1]), let time = EFITime.unixSeconds(parsing: fields[2][...]),
      let name = UKIName(fileName: fields[3])
    else { return nil }
    return Failed(digest: digest, name: name, time: time, lastWords: fields.count > 4 ? fields[4] : nil)
  }

  private static func digest(_ text: String) -> [UInt8]? {
    [UInt8](hexadecimal: text[...]).flatMap { $0.count == 32 ? $0 : nil }
  }

  func serialize() -> String {
    var lines: [String] = []
    if let attempt {
      let entry = attempt.entry.map { EFIVariableName.bootOptionDigits($0) } ?? "-"
      lines.append(
        "attempt \(attempt.digest.hexadecimal) \(attempt.bootID) \(attempt.time) \(entry) "
          + "\(attempt.profile.map { "\($0)" } ?? "-") \(attempt.isArmed ? "armed" : "arming") \(attempt.name.fileName) \(attempt.esp)"
      )
      if let boot = attempt.skippedBy { lines.append("skipped \(boot)") }
      if let test = attempt.test { lines.append("test \(test.rawValue) \(attempt.started ?? 0)") }
    }
    for failed in failures.suffix(Self.failureLimit) {
      let words = failed.lastWords.map { " " + $0 } ?? ""
      lines.append("failed \(failed.digest.hexadecimal) \(failed.time) \(failed.name.fileName)\(words)")
    }
    if let request {
      lines.append("request \(request.fileName)\(requestedTest.map { " " + $0.rawValue } ?? "")")
    }
    lines += ResetTest.allCases.compactMap { test in passed[test].map { "passed \(test.rawValue) \($0)" } }
    lines += ResetTest.allCases.compactMap { test in late[test].map { "late \(test.rawValue) \($0)" } }
    if let firmware { lines.append("firmware \(firmware.rawValue)") }
    return lines.map { $0 + "\n" }.joined()
  }

  /// Saves the record; writes nothing if it is already saved, or if there is nothing to save.
  ///
  /// Throws `HostError`.
  package func save(to files: FileSystem) throws {
    let text = serialize()
    if text.isEmpty, try !files.exists(Self.path) { return }
    try files.makeDirectory("/var/lib/pve-sb-uki")
    try files.replaceFile(Self.path, content: Array(text.utf8))
  }
}
