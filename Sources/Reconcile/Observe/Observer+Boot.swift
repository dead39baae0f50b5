// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import HostSystem

/// From which UKI the running system was booted, and what that proves.
extension Observer {
  /// Records in the manifest from which UKI the running system was booted, so that it is known to boot.
  ///
  /// With `Promotion=trial`, only a confirmed boot counts, and the content of the UKI is compared.
  func markBooted(_ trial: TrialObservation) {
    guard let evidence, let fileName = evidence.imageName, !trial.isOn || trial.isConfirmed else { return }
    recordBooted(fileName.lowercased(), evidence)
    let present = manifest.images.flatMap { $0.copies.map(\.name) }
    // systemd-boot reports the name in lower case.
    guard let image = present.first(where: { $0.fileName.lowercased() == fileName.lowercased() }) else { return }
    // A UKI that was replaced since then now has the previous UKI's name.
    let names = [image, UKIName(image.kernel, isPrevious: true)]
    for esp in survey.esps where isBootedFrom(esp, evidence) {
      let candidates = names.compactMap { manifest.image(on: esp.name, $0) }
      let wasThere = candidates.first { candidate in
        // The clock may have been set since; a boot ID cannot.
        (candidate.made == nil || candidate.made != trial.bootID)
          && candidate.copies.contains { copy in
            copy.esp == esp.name && names.contains(copy.name) && copy.modified / 1_000_000_000 <= evidence.bootTime
          }
      }
      guard let wasThere else { continue }
      if trial.isOn, wasThere.booted == nil, !isIntact(wasThere, on: esp.name) || !wasMeasured(wasThere) { return }
      // The boot time is computed from the clock, which may have been set since.
      if let known = wasThere.booted, abs(known - evidence.bootTime) < 60 { return }
      // A later time was recorded while the clock was ahead; it would count as the last boot for years.
      for later in manifest.images where later.booted.map({ $0 >= evidence.bootTime }) == true {
        setBooted(later.digest, evidence.bootTime - 1)
      }
      setBooted(wasThere.digest, evidence.bootTime)
      return
    }
  }

  /// Whether the firmware has started the UKI, according to the TPM's log; true for a machine without such a log.
  private func wasMeasured(_ record: ImageRecord) -> Bool {
    guard let programs = TPMEventLog(of: host)?.startedPrograms, let digest = record.authenticode else { return true }
    return programs.isEmpty || programs.contains(digest)
  }

  private func isIntact(_ record: ImageRecord, on esp: String) -> Bool {
    guard let copy = record.copies.first(where: { $0.esp == esp }), let files = open.files(of: esp) else {
      return false
    }
    return (try? record.describes(files.openFile(copy.name.path))) ?? false
  }

  /// Records a booted UKI of pve-sb-uki that is not in the manifest.
  ///
  /// The manifest may be lost, and the UKI may differ from what would be built now. Its inputs are then unknown, but it
  /// is known to boot.
  private func recordBooted(_ fileName: String, _ evidence: BootEvidence) {
    for esp in survey.esps where isBootedFrom(esp, evidence) {
      for image in contents[esp.name]?.images ?? []
      where image.content == .signed && image.name.fileName.lowercased() == fileName {
        guard let file = try? open.files(of: esp.name)?.openFile(image.name.path),
          file.status.modified / 1_000_000_000 <= evidence.bootTime,
          let identity = try? ImageIdentity(of: file), let fingerprint = try? certificate?.fingerprint()
        else { continue }
        let record = ImageRecord(
          kernel: image.name.kernel, size: file.count, digest: identity.value, authenticode: identity.authenticode,
          commandLine: "", certificate: fingerprint, inputs: [])
        place(record, at: image.name, on: esp, modified: file.status.modified)
      }
    }
  }

  /// Also true if the ESP from which the machine was booted is unknown.
  private func isBootedFrom(_ esp: ESP, _ evidence: BootEvidence) -> Bool {
    guard let booted = evidence.partition, let own = esp.location else { return true }
    return booted == own.guid && !own.isMBR
  }

  func observeTrial(_ firmware: FirmwareObservation) -> TrialObservation {
    let variables = (try? firmware.variables?.get()).flatMap { $0 }
    return TrialObservation(of: host, configuration, evidence: evidence) {
      isBooted($0)
    } isRequested: { attempt in
      if let entry = attempt.entry { return variables?.next == entry }
      let name = LoaderDefault.text(of: .loaderEntryOneShot, in: host.variables)?.lowercased()
      return name?.hasPrefix(attempt.name.fileName.lowercased()) == true
    }
  }

  /// Whether the running system was booted from the UKI and profile of an attempt.
  ///
  /// A file with that name on another partition, or with other content, is another UKI.
  private func isBooted(_ attempt: TrialRecord.Attempt) -> Bool {
    guard let evidence, evidence.imageName?.lowercased() == attempt.name.fileName.lowercased(),
      attempt.profile == nil || evidence.profile == attempt.profile,
      let esp = survey.esps.first(where: { $0.name == attempt.esp }), let own = esp.location, !own.isMBR,
      evidence.partition == own.guid
    else { return false }
    return manifest.image(on: esp.name, attempt.name)?.digest == attempt.digest
  }
}
