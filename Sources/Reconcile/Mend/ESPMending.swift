// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import FATFileSystem
internal import HostSystem
internal import Messages

/// Puts right what power cuts have left on ESPs, before they are written to.
struct ESPMending: ~Copyable {
  private let host: Host
  private var done: [Message] = []
  private var failures: [Failure] = []
  /// How much of what was done is on record.
  private var recordedCount = 0

  init(_ host: Host) { self.host = host }

  /// Mends the ESPs that were not unmounted.
  ///
  /// One that is damaged becomes a problem of the survey.
  mutating func mendDirty(_ survey: inout ESPSurvey) {
    for esp in survey.esps where esp.blemish != nil { mend(esp, &survey) }
    keepRecord()
  }

  /// Looks at the ESPs from which a file is to be unlinked, since that frees its clusters: no other name may have them;
  /// and at those that the kernel could not read.
  ///
  /// Returns whether an ESP was mended, and so looks other than it was observed.
  ///
  /// What is mounted cannot be mended: the plan leaves it alone, and the run fails with what to do.
  mutating func secureRemovals(_ foresight: inout Foresight, _ survey: inout ESPSurvey) -> Bool {
    var isMended = false
    for esp in survey.esps where foresight.observation.unreadable.contains(esp.name) {
      guard case .listed = esp.source else { continue }
      mend(esp, &survey)
      isMended = true
    }
    for planned in foresight.plan.esps where planned.isChange {
      // One that was mended just now and is damaged is not in the survey any more.
      guard let esp = survey.esps.first(where: { $0.name == planned.name }), let device = esp.device else { continue }
      do {
        if case .directory = esp.source { try esp.open(on: host, for: .reading).synchronize() }
        guard let volume = try host.partitions.volume(device: device),
          try CrashedNames.makeUnlinkingUnsafe(in: volume, paths: LoaderPath(host.machine))
        else { continue }
        if case .listed = esp.source {
          mend(esp, &survey)
          isMended = true
        } else {
          foresight.plan.leaveAlone(esp.name)
          failures.append(
            Failure(
              "\(esp.name): a power cut has left files that share clusters or have none; nothing is written there",
              hint: """
                run 'umount \(esp.name)', 'fsck.vfat -r \(host.files.display(device))', 'mount \(esp.name)', then \
                'pve-sb-uki apply --force'
                """))
        }
      } catch {
        foresight.plan.leaveAlone(esp.name)
        failures.append(Failure(esp.name, error))
      }
    }
    return isMended
  }

  private mutating func mend(_ esp: ESP, _ survey: inout ESPSurvey) {
    guard let index = survey.esps.firstIndex(where: { $0.name == esp.name }) else { return }
    let manifest = Manifest.load(from: host.files).manifest
    do {
      done += try esp.mend(on: host) { file, volume, device in
        try Self.isRight(file, in: volume, on: device, manifest: manifest)
      }
      survey.esps[index].blemish = nil
    } catch let problem as ESPProblem where problem.kind == .unchecked {
      survey.esps[index].blemish = nil
      failures.append(Failure(problem.message, hint: problem.hint))
    } catch let problem as ESPProblem {
      survey.esps.remove(at: index)
      survey.problems.append(problem)
    } catch {
      survey.esps.remove(at: index)
      survey.problems.append(
        ESPProblem(
          name: esp.name, kind: .unreadable,
          message: "the EFI System Partition \(esp.name) cannot be mended: \(error)",
          hint: (error as? any HintedError)?.hint))
    }
  }

  /// Whether the manifest knows the content for the kernel that the name stands for.
  private static func isRight(
    _ file: FATFile, in volume: FATVolume, on device: any RandomAccessBytes, manifest: Manifest
  ) throws -> Bool {
    guard let image = UKIName(fileName: String(PathName(file.path).fileName)),
      let extents = volume.extents(of: file)
    else { return false }
    var digest = try Digest(.sha256)
    let buffer = TransferBuffer()
    for extent in extents { try digest.update(contentsOf: device, in: extent, through: buffer) }
    return manifest.image(withDigest: try digest.finish())?.kernel == image.kernel
  }

  /// Says what was done, now and in the record.
  mutating func tell(_ report: inout ApplyReport) {
    keepRecord()
    report.mended = done
    for failure in failures where !report.failures.contains(failure) { report.failures.append(failure) }
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
