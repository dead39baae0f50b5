// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// Defers `apply` in the hooks of an apt transaction to the end of the transaction.
///
/// One run then handles all packages, and each UKI is built once.
package enum DeferredApply {
  /// DPkg::Pre-Invoke: starts deferring work, unless this host is skipped.
  ///
  /// `child` is the process in which apt runs its commands.
  ///
  /// Invalid settings do not prevent it: their error is then reported once, at the end. Throws `HostError` if the mark
  /// cannot be written.
  package static func begin(child: Int, on host: Host) throws {
    if let configuration = try? Configuration(of: host.files), try SkipReason(of: host, configuration) != nil {
      return
    }
    try PackageTransaction.begin(child: child, in: host.files)
  }

  /// Defers the work if this process is part of a transaction that will call `finish`.
  ///
  /// `release` is a kernel that must then get a UKI. Returns false if the work was not deferred or could not be
  /// recorded.
  package static func postpone(_ release: String?, on host: Host) -> Bool {
    // apt sets this for dpkg and its children because it holds dpkg's lock (dpkg, doc/frontend.txt). Nothing else sets
    // it.
    guard host.environment("DPKG_FRONTEND_LOCKED") != nil else { return false }
    do {
      guard try PackageTransaction.isUnderWay(in: host.files) else { return false }
      try PendingWork.note(release, at: host.now(), in: host.files)
      return true
    } catch {
      return false
    }
  }

  /// DPkg::Post-Invoke, which apt also calls after dpkg failed: reconciles, whether or not work was deferred.
  ///
  /// Failures that last until the signing key is enrolled are only in the report if work was deferred: that is the
  /// business of `status`, not of each apt run.
  ///
  /// Throws what `Apply.run` throws.
  package static func finish(on host: Host) throws -> ApplyReport {
    // A mark that cannot be removed is harmless once apt has ended. Without the list of pending work, everything is
    // checked anyway.
    try? PackageTransaction.end(in: host.files)
    let work = try? PendingWork.load(from: host.files)
    var options = ApplyOptions()
    if let work {
      // Ignore kernels that the same transaction removed again.
      let incomplete = try KernelInventory(of: host.files).withoutInitrd.map(\.release)
      options.expected = work.releases.first { incomplete.contains($0) }
    }
    var report = try Apply.run(options, on: host)
    let lasting = report.failures.filter { report.plan?.enrolmentFailures.contains($0) != true }
    if lasting.isEmpty { try PendingWork.clear(from: host.files) }
    if work == nil { report.failures = lasting }
    return report
  }
}
