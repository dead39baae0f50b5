// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import Messages

/// The partitions by which boot entries are known to be ours.
struct OwnPartitions {
  /// Nil unless all of them are there and stand in a partition table.
  let locations: [PartitionLocation]?
  /// Sentences about partitions that cannot be found.
  let problems: [Message]

  init(on host: Host) {
    do {
      let survey = try EFISystemPartition.survey(on: host, Configuration(of: host.files))
      let locations = survey.partitions.compactMap(\.location)
      let isComplete = survey.problems.isEmpty && locations.count == survey.partitions.count && !locations.isEmpty
      self.locations = isComplete ? locations : nil
      problems = survey.problems.map(\.message)
    } catch {
      locations = nil
      problems = [Message(error)]
    }
  }

  /// Whose an entry is. Where not all partitions are known, its path and label decide.
  func owner(of entry: BootVariables.Entry) -> BootList.Owner {
    guard let option = entry.option, let file = option.file, file.isInOurNameSpace else { return .foreign }
    if let locations, locations.contains(where: { $0.guid == file.partition.guid }) { return .ours }
    guard option.description.hasPrefix(BootTarget.labelPrefix) else { return .foreign }
    return locations == nil ? .ours : .leftover
  }
}
