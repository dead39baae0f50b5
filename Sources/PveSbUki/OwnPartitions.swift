// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
internal import HostSystem

/// The partitions by which boot entries are known to be ours.
struct OwnPartitions {
  /// Nil where it cannot be found out which there are.
  let locations: [PartitionLocation]?
  /// Sentences about partitions that cannot be found.
  let problems: [String]

  init(on host: Host) {
    locations = nil
    problems = []
  }

  /// Whose an entry is. Where the partitions are not known, its path and label decide.
  func owner(of entry: BootVariables.Entry) -> BootList.Owner {
    guard let option = entry.option, let file = option.file, file.isInOurNameSpace else { return .foreign }
    if let locations, locations.contains(where: { $0.guid == file.partition.guid }) { return .ours }
    guard option.description.hasPrefix(BootTarget.labelPrefix) else { return .foreign }
    return locations == nil ? .ours : .leftover
  }
}
