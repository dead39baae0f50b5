// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import FATFileSystem
internal import HostSystem
internal import Messages

/// Puts right what power cuts have left on EFI System Partitions, before they are written to.
struct PartitionMending {
  private let host: Host
  private var done: [Message] = []
  private var failures: [Failure] = []
  /// How much of what was done is on record.
  private var recordedCount = 0

  init(_ host: Host) { self.host = host }

  /// Mends the partitions that were not unmounted. One that is damaged becomes a problem of the survey.
  mutating func mendDirty(_ survey: inout EFISystemPartition.Survey) {
    for partition in survey.partitions where partition.blemish != nil { mend(partition, &survey) }
    keepRecord()
  }

  /// Looks at the partitions from which a file is to be unlinked, since that frees its clusters: no other name may have
  /// them; and at those that the kernel could not read. Returns whether a partition was mended, and so looks other than
  /// the plan has it.
  ///
  /// What is mounted cannot be mended: it is left alone, and the run fails with what to do.
  mutating func secureRemovals(_ planner: inout Planner, _ survey: inout EFISystemPartition.Survey) -> Bool {
    var isMended = false
    for partition in survey.partitions where planner.unreadable.contains(partition.name) {
      guard case .listed = partition.source else { continue }
      mend(partition, &survey)
      isMended = true
    }
    for (index, step) in planner.plan.partitions.enumerated() where step.isChange {
      let present = planner.states[step.name]?.images.filter(\.isOurs).map(\.name) ?? []
      guard let partition = survey.partitions.first(where: { $0.name == step.name }), let device = partition.device
      else {
        continue
      }
      do {
        if case .directory = partition.source { try planner.open.files(of: step.name)?.synchronize() }
        guard let volume = try host.partitions.volume(device: device),
          try CrashedNames.makeUnlinkingUnsafe(in: volume, paths: LoaderPath(host.machine))
        else { continue }
        if case .listed = partition.source {
          planner.open.close(step.name)
          mend(partition, &survey)
          isMended = true
        } else {
          planner.leaveAlone(index, with: present)
          failures.append(
            Failure(
              "\(step.name): a power cut has left files that share clusters or have none; nothing is written there",
              hint: """
                run 'umount \(step.name)', 'fsck.vfat -r \(host.files.display(device))', 'mount \(step.name)', then \
                'pve-sb-uki apply --force'
                """))
        }
      } catch {
        planner.leaveAlone(index, with: present)
        failures.append(Failure(step.name, error))
      }
    }
    return isMended
  }

  private mutating func mend(_ partition: EFISystemPartition, _ survey: inout EFISystemPartition.Survey) {
    guard let index = survey.partitions.firstIndex(where: { $0.name == partition.name }) else { return }
    let manifest = Manifest.load(from: host.files).manifest
    do {
      done += try partition.mend(on: host) { file, volume, device in
        try Self.isRight(file, volume, device, manifest)
      }
      survey.partitions[index].blemish = nil
    } catch let problem as PartitionProblem where problem.kind == .unchecked {
      survey.partitions[index].blemish = nil
      failures.append(Failure(problem.message, hint: problem.hint))
    } catch let problem as PartitionProblem {
      survey.partitions.remove(at: index)
      survey.problems.append(problem)
    } catch {
      survey.partitions.remove(at: index)
      survey.problems.append(
        PartitionProblem(
          name: partition.name, kind: .unreadable,
          message: "the EFI System Partition \(partition.name) cannot be mended: \(error)",
          hint: (error as? any HintedError)?.hint))
    }
  }

  /// Whether the manifest knows the content for the kernel that the name stands for.
  private static func isRight(
    _ file: FATFile, _ volume: FATVolume, _ device: any RandomAccessBytes, _ manifest: Manifest
  ) throws -> Bool {
    guard let name = file.path.split(separator: "/").last, let image = ImageName(fileName: String(name)),
      let extents = volume.extents(of: file)
    else { return false }
    var digest = try Digest(.sha256)
    let buffer = TransferBuffer()
    for extent in extents { try buffer.forEachChunk(of: device, in: extent) { try digest.update($0) } }
    return manifest.image(withDigest: try digest.finish())?.kernel == image.kernel
  }

  /// Says what was done, now and in the record.
  mutating func report(in result: inout Apply.Result) {
    keepRecord()
    result.mended = done
    for failure in failures where !result.failures.contains(failure) { result.failures.append(failure) }
  }

  /// At once, since the run may fail later.
  private mutating func keepRecord() {
    guard done.count > recordedCount else { return }
    do {
      try RepairRecord.add(done[recordedCount...].map(\.description), at: host.now(), to: host.files)
      recordedCount = done.count
    } catch {
      failures.append(Failure(RepairRecord.path, error))
    }
  }
}

extension Planner {
  /// Takes back all that would be written to a partition or unlinked there; its boot entries stay as they are.
  fileprivate mutating func leaveAlone(_ index: Int, with present: [ImageName]) {
    plan.partitions[index].images.steps = []
    plan.partitions[index].images.images = present
    plan.partitions[index].loaders.steps = []
    plan.partitions[index].removals = []
    lackingLoader.insert(plan.partitions[index].name)
    plan.entries = entryPlanner?.plan(for: plan.images, lacking: lackingLoader, refused: plan.refused)
    plan.loaderDefault = nil
  }
}
