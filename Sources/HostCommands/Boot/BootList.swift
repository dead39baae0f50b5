// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
package import HostSystem
package import Messages
internal import Reconcile

/// `pve-sb-uki boot list`: the firmware's boot entries.
package struct BootList: Sendable {
  package init() {}

  package enum Owner: String, Sendable {
    /// It starts one of our files on an ESP of this host.
    case ours = "ours"
    /// It starts one of our files on a partition that does not exist.
    case leftover = "leftover"
    case foreign = "foreign"
  }

  package struct Entry: Sendable {
    package var number: BootEntryNumber
    /// Its position in the boot order, from 1; nil if the firmware tries it only on request.
    package var place: Int?
    /// Whether the boot order names it although it does not exist.
    package var isMissing: Bool
    package var isActive: Bool
    /// Whether the machine was booted from it.
    package var isCurrent: Bool
    /// Whether the firmware boots it next, once.
    package var isNext: Bool
    /// Its label in the firmware's menu; nil if the entry is not valid.
    package var label: String?
    /// The file that it starts, from the root of its partition; nil if it starts something else.
    package var path: String?
    /// Unique GUID of the partition with that file, or `1234abcd-01` on a disk with an MBR.
    package var partition: String?
    /// The whole device path as text; nil if it is not valid.
    package var devicePath: String?
    package var owner: Owner
  }

  package struct Result: Sendable {
    /// In boot order, then the others by number.
    package var entries: [Entry]
    /// Sentences about entries that are not valid.
    package var problems: [Message]
  }

  /// Lists the entries.
  ///
  /// Throws `EFIVariableError` if there are no EFI variables.
  package func run(on host: Host) throws -> Result {
    let variables = try BootVariables(readingFrom: host.variables)
    let esps = OwnESPs(on: host)
    var seen: Set<UInt16> = []
    let ordered = variables.order.filter { seen.insert($0).inserted }
    let others = variables.entries.map(\.number).filter { !seen.contains($0) }
    let entries = (ordered + others).enumerated().map { index, number in
      describe(number, place: index < ordered.count ? index + 1 : nil, among: variables, esps: esps)
    }
    return Result(entries: entries, problems: variables.problems + esps.problems)
  }

  private func describe(
    _ number: UInt16, place: Int?, among variables: BootVariables, esps: OwnESPs
  ) -> Entry {
    let entry = variables[number]
    let option = entry?.option
    return Entry(
      number: BootEntryNumber(number), place: place, isMissing: entry == nil, isActive: entry?.isActive ?? false,
      isCurrent: number == variables.current, isNext: number == variables.next, label: option?.description,
      path: option?.file?.path, partition: option?.file?.partition.name,
      devicePath: option?.paths.first?.description, owner: entry.map { esps.owner(of: $0) } ?? .foreign)
  }
}

/// The number of a Boot#### variable, as shown to and entered by people.
package struct BootEntryNumber: Hashable, Sendable {
  package let value: UInt16

  package init(_ value: UInt16) { self.value = value }

  /// Parses `Boot0003`, `0003` or `3`, hexadecimal; nil for anything else.
  package init?(_ text: String) {
    let digits = text.hasPrefix("Boot") ? text.dropFirst(4) : text[...]
    guard 1...4 ~= digits.utf8.count, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }),
      let value = UInt16(digits, radix: 16)
    else { return nil }
    self.value = value
  }

  /// `Boot0003`.
  package var name: String { EFIVariableName.bootOption(value).name }

  /// The failure for a number without an entry.
  static func unknown(_ number: BootEntryNumber) -> Failure {
    Failure("boot entry \(number.name) does not exist", hint: "run 'pve-sb-uki boot list'")
  }
}

/// The ESPs that identify our boot entries.
struct OwnESPs {
  /// Nil unless all of them are present and are GPT or MBR partitions.
  let locations: [PartitionLocation]?
  /// Sentences about ESPs that cannot be found.
  let problems: [Message]

  init(on host: Host) {
    do {
      let survey = try ESPSurvey(of: host, Configuration(of: host.files))
      let locations = survey.esps.compactMap(\.location)
      let isComplete = survey.problems.isEmpty && locations.count == survey.esps.count && !locations.isEmpty
      self.locations = isComplete ? locations : nil
      problems = survey.problems.map(\.message)
    } catch {
      locations = nil
      problems = [Message(error)]
    }
  }

  /// The owner of an entry.
  ///
  /// If not all ESPs are known, its path and label decide.
  func owner(of entry: BootVariables.Entry) -> BootList.Owner {
    guard let option = entry.option, let file = option.file, file.isInOurNameSpace else { return .foreign }
    if let locations, locations.contains(where: { $0.isSamePartition(as: file.partition) }) { return .ours }
    guard option.description.hasPrefix(BootTarget.labelPrefix) else { return .foreign }
    if locations == nil { return .ours }
    // Whether a disk with an MBR is gone is not known.
    return file.partition.isMBR ? .foreign : .leftover
  }
}
