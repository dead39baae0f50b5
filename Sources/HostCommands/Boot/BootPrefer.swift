// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
package import HostSystem
package import Messages
internal import Reconcile

/// `pve-sb-uki boot prefer`: chooses what the firmware tries first from now on.
package struct BootPrefer: Sendable {
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init() {}

  package struct Result: Sendable {
    package var isChange = false
    package var notes: [Message] = []
  }

  /// Saves the choice of a kernel, or removes it if `release` is nil; `Apply` acts on it.
  ///
  /// Throws `Failure` for an incomplete kernel, which gets no UKI.
  package func prefer(kernel release: String?, on host: Host) throws {
    guard let release else { return try PreferredKernel.save(nil, to: host.files) }
    guard let kernel = try KernelInventory(of: host.files).kernels.first(where: { $0.release == release }) else {
      throw Failure(
        """
        kernel \(release) is incomplete: /boot/vmlinuz-\(release), /boot/initrd.img-\(release) and \
        /lib/modules/\(release) must exist
        """,
        hint: "specify an installed kernel or a boot entry number")
    }
    try PreferredKernel.save(UKIName(kernel), to: host.files)
  }

  /// Saves the choice of the UKI that is known to boot and would not boot first now: the one that was booted last among
  /// them.
  ///
  /// Returns its file name. Throws `Failure` if there is none.
  package func preferPrevious(on host: Host) throws -> String {
    var options = ApplyOptions()
    options.isDryRun = true
    options.reading = .none
    switch try Readiness(of: host) {
    case .skip(let reason): throw Failure(reason.message, hint: reason.hint)
    case .ready(let configuration, let survey):
      let plan = try Assessment(of: host, configuration: configuration, survey: survey, options: options).plan
      guard let name = plan.previousImage else {
        throw Failure(
          "no other UKI is known to boot", hint: "to choose one that was not booted yet: pve-sb-uki boot prefer KERNEL")
      }
      try PreferredKernel.save(name, to: host.files)
      return name.fileName
    }
  }

  /// Moves an entry to the front of the boot order.
  ///
  /// Throws `Failure` if it does not exist or is inactive, or if it is ours and the firmware rejects it (promise I3).
  package func prefer(_ number: BootEntryNumber, on host: Host) throws -> Result {
    let lock = try host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      let store = host.variables
      let variables = try BootVariables(readingFrom: store)
      guard let entry = variables[number.value] else { throw BootEntryNumber.unknown(number) }
      guard entry.isActive else {
        throw Failure(
          "\(number.name) is inactive; the firmware skips it",
          hint: "activate it with: efibootmgr --active --bootnum \(number.name.dropFirst(4))")
      }
      if OwnESPs(on: host).owner(of: entry) != .foreign { try EntryTrust(of: entry.option, on: host)?.require(number) }
      let order = [number.value] + variables.order.filter { $0 != number.value }
      guard order != variables.order else { return Result() }
      let plan = BootEntryPlan(steps: [.order(order)], present: variables)
      let outcome = BootEntryExecutor.execute(plan, on: store)
      if let failure = outcome.failures.first { throw Failure(failure.message, hint: failure.hint) }
      return Result(
        isChange: true,
        notes: ["the next 'pve-sb-uki apply' may change the boot order again; a preferred kernel stays first"])
    }
  }
}
