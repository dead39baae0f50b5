// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
internal import Messages

/// `pve-sb-uki apply`: makes every EFI System Partition hold a signed image for every wanted kernel, and does the least
/// for it: first a plan of what is to be done, then just that.
///
/// A second run finds by stat(2) alone that nothing changed and writes nothing.
package struct Apply: Sendable {
  /// Releases to restrict the run to; empty for all kernels, and only then are images of gone kernels removed.
  package var kernels: [String] = []
  /// A release that must end with an image: that it cannot have one yet is a failure, not a note.
  package var expected: String?
  /// Whether only the result is worked out.
  package var isDryRun = false
  /// Whether images are made anew though nothing changed.
  package var isForced = false
  /// Whether systemd-boot's default is ours to set though the administrator has chosen another.
  package var takesOverDefault = false
  /// Which images are read whole, and not taken at the manifest's word.
  package var reading = Reading.beforeRemoval
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package enum Reading: Sendable {
    /// Those on a partition from which another image goes.
    case beforeRemoval
    case all
    case none
  }

  package init() {}

  package static let lockPath = "/run/pve-sb-uki/lock"

  /// Reconciles. What concerns one kernel is in the result; what stops the whole run is thrown. Either is kept in
  /// `FailureRecord` until a run succeeds, unless somebody chose kernels and so looks at what becomes of them.
  package func run(on host: Host) throws -> Result {
    do {
      return try reconcile(host)
    } catch {
      if isRemembered { try? FailureRecord(time: host.now(), messages: [Self.message(error)]).save(to: host.files) }
      throw error
    }
  }

  /// `Strict=yes`: a kernel package shall fail to configure when its image cannot be made. No if the settings are
  /// wrong themselves.
  package static func isStrict(on host: Host) -> Bool { (try? Configuration(of: host.files))?.isStrict ?? false }

  private func reconcile(_ host: Host) throws -> Result {
    // Where there is nothing to do nothing is written, not even a lock.
    if case .obstacle(let reason) = try Self.ground(of: host) { return Result(obstacle: reason) }
    let lock = try isDryRun ? nil : host.files.lock(Self.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      // Anew: what held the lock, or made somebody wait for it, may have changed it.
      switch try Self.ground(of: host) {
      case .obstacle(let reason): return Result(obstacle: reason)
      case .ready(let configuration, var survey):
        var mending = PartitionMending(host)
        if !isDryRun { mending.mendDirty(&survey) }
        var planner = try Planner(self, host, configuration, survey)
        try planner.make()
        if isDryRun { return Result(foreseenBy: planner.plan) }
        if mending.secureRemovals(&planner, &survey) {
          planner = try Planner(self, host, configuration, survey)
          try planner.make()
        }
        var result = try PlanRun.perform(planner)
        mending.report(in: &result)
        do {
          if isRemembered { try remember(result, on: host) }
        } catch {
          result.failures.append(Failure(FailureRecord.path, error))
        }
        return result
      }
    }
  }

  private var isRemembered: Bool { !isDryRun && kernels.isEmpty }

  private func remember(_ result: Result, on host: Host) throws {
    if !result.failures.isEmpty {
      let messages = result.failures.map { Self.message($0) }
      try FailureRecord(time: host.now(), messages: messages).save(to: host.files)
    } else {
      try FailureRecord.clear(from: host.files)
    }
  }

  private static func message(_ error: any Error) -> String {
    let hint = (error as? any HintedError)?.hint
    return "\(error)" + (hint.map { " (\($0))" } ?? "")
  }
}
