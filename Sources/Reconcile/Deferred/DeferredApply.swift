// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem

/// `apply` put off by the hooks of an apt transaction to its end, so that many packages are one run's work and each
/// image is built once.
package enum DeferredApply {
  /// DPkg::Pre-Invoke: from here on work is put off, unless there is none on this host.
  ///
  /// apt runs its commands in `child`.
  ///
  /// Settings that are wrong do not keep it from being put off: their error then comes once, at the end.
  package static func begin(child: Int, on host: Host) throws {
    if let configuration = try? Configuration(of: host.files), try SkipReason(of: host, configuration) != nil {
      return
    }
    try PackageTransaction.begin(child: child, in: host.files)
  }

  /// Puts work off if this process is part of a transaction that will end with `finish`; `release` is a kernel that
  /// must then have an image.
  ///
  /// Returns whether it was, which it is not either when it cannot be remembered.
  package static func postpone(_ release: String?, on host: Host) -> Bool {
    // apt tells dpkg, and so all below it, that it holds dpkg's lock (dpkg's doc/frontend.txt); nobody else does.
    guard host.environment("DPKG_FRONTEND_LOCKED") != nil else { return false }
    do {
      guard try PackageTransaction.isUnderWay(in: host.files) else { return false }
      try PendingWork.note(release, at: host.now(), in: host.files)
      return true
    } catch {
      return false
    }
  }

  /// DPkg::Post-Invoke, also after dpkg failed: everything is put right that is not, whether or not it was put off.
  package static func finish(on host: Host) throws -> ApplyReport {
    // A mark that stays says nothing once apt has ended, and without the list everything is looked at all the same.
    try? PackageTransaction.end(in: host.files)
    let work = try? PendingWork.load(from: host.files)
    var options = ApplyOptions()
    if let work {
      // Kernels that went in the same transaction are missed by nobody.
      let incomplete = try KernelInventory(of: host.files).withoutInitrd.map(\.release)
      options.expected = work.releases.first { incomplete.contains($0) }
    }
    let report = try Apply.run(options, on: host)
    if report.failures.isEmpty { try PendingWork.clear(from: host.files) }
    return report
  }
}
