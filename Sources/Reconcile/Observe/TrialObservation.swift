// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import HostSystem
internal import Messages

/// What has become of the last trial.
package struct TrialObservation: Sendable {
  /// Where a trial is.
  package enum Stage: Hashable, Sendable {
    /// There is none.
    case none
    /// The next boot tries the UKI.
    case armed
    /// This boot tries the UKI, and is not confirmed yet.
    case running
  }

  /// `Promotion=trial`.
  package let isOn: Bool
  package let stage: Stage
  /// The record, with the outcome of a trial that has ended; the next run saves it.
  package private(set) var record: TrialRecord
  /// Whether this boot was confirmed.
  ///
  /// Then the UKI that it was booted from is known to be good.
  package let isConfirmed: Bool
  /// The boot ID of the running system; nil if unknown.
  let bootID: String?
  /// The boot entry of the last trial, whether that has ended or not; nil if there was none.
  ///
  /// If BootNext has its number, pve-sb-uki has put it there.
  let lastEntry: UInt16?

  /// Judges the last trial.
  ///
  /// `isBootedFrom` tells whether this system was booted from the UKI and profile of an attempt, as far as the firmware's
  /// variables and the file's content show; `isRequested`, whether the firmware or systemd-boot is still asked to boot it
  /// next.
  init(
    of host: Host, _ configuration: Configuration, evidence: BootEvidence?,
    isBootedFrom: (TrialRecord.Attempt) -> Bool, isRequested: (TrialRecord.Attempt) -> Bool
  ) {
    isOn = configuration.promotion == .trial
    record = TrialRecord.load(from: host.files)
    bootID = host.bootID
    lastEntry = record.attempt?.entry
    isConfirmed = BootConfirmation.exists(on: host)
    guard let attempt = record.attempt, let bootID, let evidence else {
      stage = record.attempt == nil ? .none : .armed
      return
    }
    guard bootID != attempt.bootID else {
      stage = attempt.started == nil ? .armed : .running
      return
    }
    let isRequested = isRequested(attempt)
    if attempt.started == nil, isBootedFrom(attempt) {
      if isRequested { record.firmware = .repeats }
      if isConfirmed, attempt.test == nil {
        if !isRequested { record.firmware = .works }
        record.attempt = nil
        record.endRequest()
        record.failures.removeAll { $0.digest == attempt.digest }
        stage = .none
      } else {
        stage = .running
      }
    } else if isRequested, attempt.isArmed, attempt.skippedBy == nil || attempt.skippedBy == bootID {
      // Perhaps kexec(2): then the firmware did not run.
      record.attempt?.skippedBy = bootID
      stage = .armed
    } else {
      stage = .none
      record.attempt = nil
      if attempt.isArmed {
        record.endRequest()
        if isRequested { record.firmware = .ignores } else { end(attempt, evidence, host) }
      }
      // Otherwise the run that armed it was interrupted, and whether the firmware was told is not known: try again.
    }
  }

  /// Records that another UKI was booted after the request.
  private mutating func end(_ attempt: TrialRecord.Attempt, _ evidence: BootEvidence, _ host: Host) {
    guard let test = attempt.test else {
      record.failures.removeAll { $0.digest == attempt.digest }
      record.failures.append(
        TrialRecord.Failed(
          digest: attempt.digest, name: attempt.name, time: host.now(),
          lastWords: KernelLastWords.read(from: host.files, since: attempt.time)))
      return
    }
    guard let started = attempt.started else { return }
    record.firmware = .works
    let limit = test.secondsToReturn
    if 0...limit ~= evidence.bootTime - started {
      record.passed[test] = started
      record.late[test] = nil
    } else {
      record.late[test] = started
    }
  }
}

extension ResetTest {
  /// How many seconds may pass from the start of the test to the start of the next kernel: the limit itself, and five
  /// minutes for the firmware.
  var secondsToReturn: Int64 {
    switch self {
    case .panic: 30 + 300
    case .watchdog: 180 + 300
    // It starts with the boot, whose limit `TrialSeconds=` sets.
    case .deadline: 86_400 + 300
    }
  }
}

/// The mark of a confirmed boot, `/run/pve-sb-uki/boot-ok`: the boot ID.
package enum BootConfirmation {
  package static let path = "/run/pve-sb-uki/boot-ok"

  /// Whether the boot of the running system was confirmed.
  package static func exists(on host: Host) -> Bool {
    guard let id = host.bootID, let text = try? host.files.readTextIfPresent(path, limit: 256) else { return false }
    return text == id + "\n"
  }

  /// Confirms the boot of the running system.
  ///
  /// Throws `HostError`, or `Failure` if the system has no boot ID.
  package static func write(on host: Host) throws {
    guard let id = host.bootID else { throw Failure("this system has no boot ID") }
    try host.files.makeDirectory("/run/pve-sb-uki")
    try host.files.replaceFile(path, content: Array("\(id)\n".utf8))
  }
}

/// The last words of a kernel that died, from pstore.
enum KernelLastWords {
  private static let directories = ["/var/lib/systemd/pstore", "/sys/fs/pstore"]
  private static let fileLimit = 64
  private static let sizeLimit = 1 << 20

  /// The line that says why the kernel stopped, from a file that was written after `time`, in seconds since 1970.
  ///
  /// Nil if there is none.
  static func read(from files: FileSystem, since time: Int64) -> String? {
    for path in directories.flatMap({ self.files(below: $0, files, depth: 2) }) {
      guard let status = (try? files.status(of: path)).flatMap({ $0 }), status.modified / 1_000_000_000 >= time,
        let text = (try? files.readTextIfPresent(path, limit: sizeLimit)).flatMap({ $0 })
      else { continue }
      let lines = text.split(separator: "\n")
      if let line = lines.first(where: { $0.contains(bytes: "Kernel panic") || $0.contains(bytes: "BUG: ") }) {
        return words(line)
      }
    }
    return nil
  }

  private static func files(below directory: String, _ files: FileSystem, depth: Int) -> [String] {
    let names = ((try? files.list(directory)).flatMap { $0 } ?? []).suffix(fileLimit).reversed()
    return names.flatMap { name -> [String] in
      let path = "\(directory)/\(name)"
      return name.contains(bytes: "dmesg") ? [path] : depth > 0 ? self.files(below: path, files, depth: depth - 1) : []
    }
  }

  /// The line without level and time, as printable text of at most 200 characters.
  private static func words(_ line: Substring) -> String {
    let text = line.split(separator: "]", maxSplits: 1).last.map { $0.drop { $0 == " " } } ?? line
    return String(text.unicodeScalars.filter { 0x20...0x7e ~= $0.value }.prefix(200).map(Character.init))
  }
}
