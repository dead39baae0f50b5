// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
package import HostSystem
package import Messages

/// `pve-sb-uki boot list`: the firmware's boot entries.
package struct BootList: Sendable {
  package init() {}

  package enum Owner: String, Sendable {
    /// It leads to a file of ours on a partition of this host.
    case ours
    /// It leads to a file of ours on a partition that is not there.
    case leftover
    case foreign
  }

  package struct Entry: Sendable {
    package var number: BootEntryNumber
    /// Its place in the boot order, from 1; nil if it is tried only on request.
    package var place: Int?
    /// Whether the boot order names it though there is no such entry.
    package var isMissing: Bool
    package var isActive: Bool
    /// Whether the machine was booted from it.
    package var isCurrent: Bool
    /// Whether it is booted next, once.
    package var isNext: Bool
    /// What the firmware's menu shows; nil if it cannot be understood.
    package var label: String?
    /// The file it starts, from its partition's root; nil if it starts something else.
    package var path: String?
    /// GUID of that file's partition.
    package var partition: String?
    /// All of the device path as text; nil if it cannot be understood.
    package var devicePath: String?
    package var owner: Owner
  }

  package struct Result: Sendable {
    /// In boot order, then those outside it by number.
    package var entries: [Entry]
    /// Sentences about entries that cannot be understood.
    package var problems: [Message]
  }

  /// Throws `EFIVariableError` where there are no firmware variables.
  package func run(on host: Host) throws -> Result {
    let variables = try BootVariables(readingFrom: EFIVariableStore(of: host.files))
    let partitions = OwnPartitions(on: host)
    var seen: Set<UInt16> = []
    let ordered = variables.order.filter { seen.insert($0).inserted }
    let others = variables.entries.map(\.number).filter { !seen.contains($0) }
    let entries = (ordered + others).enumerated().map { index, number in
      describe(number, place: index < ordered.count ? index + 1 : nil, variables, partitions)
    }
    return Result(entries: entries, problems: variables.problems + partitions.problems)
  }

  private func describe(
    _ number: UInt16, place: Int?, _ variables: BootVariables, _ partitions: OwnPartitions
  ) -> Entry {
    let entry = variables[number]
    let option = entry?.option
    return Entry(
      number: BootEntryNumber(number), place: place, isMissing: entry == nil, isActive: entry?.isActive ?? false,
      isCurrent: number == variables.current, isNext: number == variables.next, label: option?.description,
      path: option?.file?.path, partition: option?.file?.partition.guid.description,
      devicePath: option?.paths.first?.description, owner: entry.map { partitions.owner(of: $0) } ?? .foreign)
  }
}
