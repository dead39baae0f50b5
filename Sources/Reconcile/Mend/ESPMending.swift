// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import FATFileSystem
internal import HostSystem
internal import Messages

/// Repairs damage that power cuts have left on ESPs, before anything is written to them.
struct ESPMending: ~Copyable {
  private let host: Host
  private var done: [Message] = []
  private var failures: [Failure] = []
  /// ESPs that were repaired because of a plan; each is repaired once.
  private var mended: Set<String> = []
  /// ESPs that all further plans leave unchanged.
  private var leftAlone: Set<String> = []
  /// Number of entries in `done` that are already recorded.
  private var recordedCount = 0

  init(_ host: Host) { self.host = host }

  /// Repairs the ESPs that were not unmounted cleanly.
  ///
  /// A damaged one becomes a problem of the survey.
  mutating func mendDirty(_ survey: inout ESPSurvey) {
    for esp in survey.esps where esp.uncleanState != nil { mend(esp, &survey) }
    keepRecord()
  }

  /// Checks the ESPs from which a file will be removed, and those that the kernel could not read.
  ///
  /// Removing a file frees its clusters, so no other file may share them. A mounted file system cannot be repaired: the
  /// plan then leaves that ESP unchanged, and a failure says what to do.
  ///
  /// Returns whether an ESP was repaired and has to be observed again. Repeated calls end with false, since each ESP is
  /// repaired once.
  mutating func secureRemovals(_ assessment: inout Assessment, _ survey: inout ESPSurvey) -> Bool {
    var isMended = false
    for esp in survey.esps where assessment.observation.unreadable.contains(esp.name) {
      guard case .listed = esp.source, mended.insert(esp.name).inserted else { continue }
      mend(esp, &survey)
      isMended = true
    }
    for name in leftAlone { assessment.plan.leaveAlone(name) }
    for planned in assessment.plan.esps where planned.isChange {
      // An ESP that was just found damaged is no longer in the survey.
      guard let esp = survey.esps.first(where: { $0.name == planned.name }), let device = esp.device else { continue }
      host.progress("\(esp.name): checking the file system")
      do {
        if case .directory = esp.source { try esp.open(on: host, for: .reading).synchronize() }
        guard let volume = try host.partitions.volume(device: device),
          try CrashLeftovers.makeUnlinkingUnsafe(in: volume, paths: LoaderPath(host.machine))
        else { continue }
        if case .listed = esp.source, mended.insert(esp.name).inserted {
          mend(esp, &survey)
          isMended = true
        } else {
          leaveAlone(esp.name, in: &assessment)
          failures.append(
            Failure(
              "\(esp.name): a power cut left files that share clusters or have none; the ESP is left unchanged",
              hint: """
                run 'umount \(esp.name)', 'fsck.vfat -r \(host.files.display(device))', 'mount \(esp.name)', then \
                'pve-sb-uki apply --force'
                """))
        }
      } catch {
        leaveAlone(esp.name, in: &assessment)
        failures.append(Failure(esp.name, error))
      }
    }
    return isMended
  }

  private mutating func leaveAlone(_ esp: String, in assessment: inout Assessment) {
    leftAlone.insert(esp)
    assessment.plan.leaveAlone(esp)
  }

  private mutating func mend(_ esp: ESP, _ survey: inout ESPSurvey) {
    guard let index = survey.esps.firstIndex(where: { $0.name == esp.name }) else { return }
    let manifest = Manifest.load(from: host.files).manifest
    do {
      done += try esp.mend(on: host) { file, volume, device in
        try Self.isRight(file, in: volume, on: device, manifest: manifest)
      }
      survey.esps[index].uncleanState = nil
    } catch let problem as ESPProblem where problem.kind == .unchecked {
      survey.esps[index].uncleanState = nil
      failures.append(Failure(problem.message, hint: problem.hint))
    } catch let problem as ESPProblem {
      survey.esps.remove(at: index)
      survey.problems.append(problem)
    } catch {
      survey.esps.remove(at: index)
      survey.problems.append(
        ESPProblem(
          name: esp.name, kind: .unreadable,
          message: "the ESP \(esp.name) cannot be repaired: \(error)",
          hint: (error as? any HintedError)?.hint))
    }
  }

  /// Whether the content is recorded in the manifest for the kernel in the file name.
  private static func isRight(
    _ file: FATFile, in volume: FATVolume, on device: any RandomAccessBytes, manifest: Manifest
  ) throws -> Bool {
    guard let image = UKIName(fileName: String(PathName(file.path).fileName)),
      let extents = volume.extents(of: file)
    else { return false }
    return try manifest.image(of: JoinedBytes(device, extents))?.kernel == image.kernel
  }

  /// Adds the repairs to the report and to the record.
  mutating func addResults(to report: inout ApplyReport) {
    keepRecord()
    report.mended = done
    for failure in failures where !report.failures.contains(failure) { report.failures.append(failure) }
  }

  /// Record at once, since the run may still fail.
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
