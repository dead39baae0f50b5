// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import EFIData
package import HostSystem
package import Messages
internal import PortableExecutable
internal import Reconcile
internal import SecureBoot
internal import SigningKeys

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
    try PreferredKernel.save(kernel, to: host.files)
  }

  /// Moves an entry to the front of the boot order.
  ///
  /// Throws `Failure` if it does not exist or is inactive, or if it is ours and the firmware rejects it (promise I3).
  package func prefer(_ number: BootEntryNumber, on host: Host) throws -> Result {
    let lock = try host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      let store = EFIVariableStore(of: host.files)
      let variables = try BootVariables(readingFrom: store)
      guard let entry = variables[number.value] else { throw BootEntryNumber.unknown(number) }
      guard entry.isActive else {
        throw Failure(
          "\(number.name) is inactive; the firmware skips it",
          hint: "activate it with: efibootmgr --active --bootnum \(number.name.dropFirst(4))")
      }
      if let file = entry.option?.file, OwnESPs(on: host).owner(of: entry) != .foreign {
        try Self.requireTrust(in: number, file: file, on: host)
      }
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

extension BootPrefer {
  /// Throws `Failure` unless this machine starts the entry's program and what it leads to.
  ///
  /// Judges the program itself. For shim, and if the program cannot be read, judges what the signing key signs.
  static func requireTrust(in number: BootEntryNumber, file: DevicePath.File, on host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    // Without Secure Boot, keys do not matter.
    guard database.isEnforced else { return }
    let isShim = PathName(file.path).fileName.lowercased().hasPrefix("shim")
    let files = try ESPSurvey(of: host, Configuration(of: host.files)).esps
      .first { $0.location?.isSamePartition(as: file.partition) == true }?.open(on: host, for: .reading)
    let program = try? files?.openFile(file.path)
    if let program, !isShim {
      let result = try describing(file.path) { try TrustEvaluation(database).judge(program, via: .firmware) }
      guard !result.isAccepted else { return }
      throw Failure(
        "the firmware rejects \(number.name), \(file.path.dropFirst()): \(result.reason)",
        hint: "choose another entry: pve-sb-uki boot list")
    }
    let shim =
      try isShim
      ? program.map { program in
        let directory = files.map { ProgramDirectory(PathName(file.path).directory, in: $0) }
        return try ShimProgram(of: program, in: [directory].compactMap { $0 }, database: database)
      } : nil
    let certificate = try Configuration(of: host.files).signingKey.loadCertificate(from: host)
    let verdict = try BootTrust.evaluate(
      certificate: certificate, by: TrustEvaluation(database, shim: shim), via: isShim ? .shim : .firmware)
    if case .refused(let reason, let hint) = verdict {
      throw Failure("this machine rejects \(number.name): \(reason)", hint: hint)
    }
  }
}
