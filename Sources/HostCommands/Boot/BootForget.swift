// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import BootPaths
internal import EFIData
package import HostSystem
package import Messages
internal import Reconcile

/// `pve-sb-uki boot forget`: removes boot entries on request, including those of other systems.
package struct BootForget: Sendable {
  /// Which entries to remove.
  package enum Selection: Sendable {
    /// Each by number (`Boot0003`), label, or the path of the program that it starts; a label or path may name several
    /// entries.
    case named([String])
    /// The boot loaders and kernels of other systems, once this machine boots from an entry of pve-sb-uki.
    case foreign
  }

  package var selection: Selection
  /// Whether to find out what would be removed and write nothing.
  package var isDryRun = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init(_ selection: Selection) { self.selection = selection }

  package struct Entry: Hashable, Sendable {
    package var number: BootEntryNumber
    /// Its label; nil if the entry does not exist or is not valid.
    package var label: String?
    /// Why an entry of another system is kept, as a fragment; nil for an entry to remove.
    package var reason: Message?

    /// `Boot0003 (debian)`.
    package var name: String { label.map { "\(number.name) (\($0))" } ?? number.name }
  }

  package struct Result: Sendable {
    /// The removed entries, in the order of the request; with `isDryRun`, those that would be removed.
    package var forgotten: [Entry] = []
    /// With `.foreign`: entries that pve-sb-uki did not make and that stay.
    package var kept: [Entry] = []
    package var notes: [Message] = []
    package var failures: [Failure] = []
  }

  /// Removes all of the entries, or none if one must stay.
  ///
  /// Throws `Failure` for an entry that does not exist, that the machine was booted from, or that is the last usable
  /// one in the boot order; with `.foreign`, also if the machine was not booted from an entry of pve-sb-uki.
  package func run(on host: Host) throws -> Result {
    let lock = try isDryRun ? nil : host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock) {
      let store = host.variables
      let variables = try BootVariables(readingFrom: store)
      let esps = OwnESPs(on: host)
      var result = Result()
      var numbers: [UInt16] = []
      switch selection {
      case .named(let names):
        for name in names {
          for number in try Self.numbers(name, in: variables) where !numbers.contains(number) { numbers.append(number) }
        }
      case .foreign:
        let foreign = try ForeignEntries(variables, esps, on: host)
        (numbers, result.kept) = (foreign.removable, foreign.kept)
      }
      let plan = try plan(numbers, variables)
      if !isDryRun {
        let failures = BootEntryExecutor.execute(plan, on: store).failures
        numbers.removeAll { number in
          let isLeftInOrder = variables[number] == nil && !failures.isEmpty
          return isLeftInOrder || failures.contains { $0.step == .remove(number) }
        }
        result.failures = failures.map { Failure($0.message, hint: $0.hint) }
      }
      result.forgotten = numbers.map { Entry(number: BootEntryNumber($0), label: variables[$0]?.option?.description) }
      result.notes = notes(on: numbers.compactMap { variables[$0] }, esps)
      return result
    }
  }

  private func notes(on removed: [BootVariables.Entry], _ esps: OwnESPs) -> [Message] {
    var notes: [Message] = removed.filter { esps.owner(of: $0) == .ours }.map {
      """
      \(BootEntryNumber($0.number).name) was made by pve-sb-uki; the next 'pve-sb-uki apply' recreates it if its UKI is \
      still wanted
      """
    }
    if case .foreign = selection, !removed.isEmpty {
      notes.append("updates of GRUB, shim and systemd-boot may create their boot entries again; 'boot list' shows them")
    }
    return notes
  }

  // MARK: Selection

  /// The entries that a number, label or path names, in boot order.
  private static func numbers(_ name: String, in variables: BootVariables) throws -> [UInt16] {
    if let number = BootEntryNumber(name)?.value, variables[number] != nil || variables.order.contains(number) {
      return [number]
    }
    let ordered = variables.order + variables.entries.map(\.number)
    var seen: Set<UInt16> = []
    let all = ordered.filter { seen.insert($0).inserted }
    let labelled = all.filter { variables[$0]?.option?.description == name }
    let path = canonical(name)
    let found =
      labelled.isEmpty
      ? all.filter { number in (variables[number]?.option?.file?.path).map { canonical($0) == path } == true }
      : labelled
    guard found.isEmpty else { return found }
    if let number = BootEntryNumber(name) { throw BootEntryNumber.unknown(number) }
    throw Failure(
      "no boot entry is called '\(name)' or starts that program",
      hint: "specify a number, label or path as 'pve-sb-uki boot list' shows it")
  }

  /// A path for comparison: the firmware's file names are case-insensitive, and its separator is the backslash.
  private static func canonical(_ path: String) -> String {
    let parts = path.lowercased().split { $0 == "/" || $0 == "\\" }
    return parts.joined(separator: "/")
  }

  private func plan(_ numbers: [UInt16], _ variables: BootVariables) throws -> BootEntryPlan {
    var steps: [BootEntryPlan.Step] = []
    for number in numbers {
      guard number != variables.current else {
        throw Failure(
          "keeping \(BootEntryNumber(number).name): this machine was booted from it",
          hint: "boot from another entry, then remove it")
      }
      if number == variables.next { steps.append(.next(nil)) }
    }
    let order = variables.order.filter { !numbers.contains($0) }
    guard order.contains(where: { variables[$0]?.isActive == true }) || order == variables.order else {
      throw Failure(
        "keeping \(numbers.map { BootEntryNumber($0).name }.joined(separator: ", ")): the boot order has no other usable entry",
        hint: "create another boot entry first, for UKIs with: pve-sb-uki apply")
    }
    if order != variables.order { steps.append(.order(order)) }
    let present = numbers.filter { variables[$0] != nil }
    return BootEntryPlan(steps: steps + present.map { .remove($0) }, present: variables)
  }
}

/// The entries that pve-sb-uki did not make, by what they start.
private struct ForeignEntries {
  private(set) var removable: [UInt16] = []
  private(set) var kept: [BootForget.Entry] = []

  /// Throws `Failure` unless the machine was booted from an entry of pve-sb-uki, `EFIVariableError` or `HostError` if
  /// entries and programs cannot be read.
  init(_ variables: BootVariables, _ esps: OwnESPs, on host: Host) throws {
    guard let current = variables.current.flatMap({ variables[$0] }), esps.owner(of: current) == .ours else {
      throw Failure(
        "this machine was not booted from a boot entry of pve-sb-uki, so the others may be needed",
        hint: "reboot from a UKI first; 'pve-sb-uki status' says whether this machine will start it")
    }
    var options = BootPathSurvey.Options()
    options.followsEveryEntry = true
    let survey = try ESPSurvey(of: host, Configuration(of: host.files))
    for path in try BootPathSurvey(of: host, survey, options: options).everyEntry {
      guard let number = path.number, let entry = variables[number] else { continue }
      guard esps.owner(of: entry) == .foreign else { continue }
      if let reason = Self.reasonToKeep(path) {
        kept.append(BootForget.Entry(number: BootEntryNumber(number), label: path.label, reason: reason))
      } else {
        removable.append(number)
      }
    }
  }

  /// Why an entry is kept; nil for a boot loader or kernel, and for a program that is missing on a partition of this
  /// machine.
  private static func reasonToKeep(_ path: BootPath) -> Message? {
    guard let first = path.steps.first else { return "it is damaged" }
    if path.leadsToUKI { return "it starts a UKI of pve-sb-uki" }
    if let file = first.path, isRemovable(file) { return "the firmware creates such entries itself" }
    switch first.program {
    case .shim, .grub, .systemdBoot, .kernel, .foreignImage, .fallback: return nil
    case .unknown where first.verdict == .missing && first.isPartitionReadable: return nil
    case .unknown where first.path == nil: return first.reason
    case .unknown where first.verdict == .missing || first.verdict == .unknown: return first.reason
    case .unknown, .mokManager, .ownImage, .windows, .fwupd, .firmware, .network, .device: return first.program.word
    }
  }

  /// Whether it is the removable path, such as `/EFI/BOOT/BOOTX64.EFI` (UEFI 2.10 section 3.5.1.1).
  private static func isRemovable(_ path: String) -> Bool {
    let name = path.lowercased()
    return name.hasPrefix("/efi/boot/boot") && name.hasSuffix(".efi")
  }
}
