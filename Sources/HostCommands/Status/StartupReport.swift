// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import Findings
package import HostSystem
package import Reconcile
package import StartupCheck

/// Whether the kernels in the UKIs on the ESPs will reach their root file systems.
package struct StartupReport: Sendable {
  /// In the order of the plan's kernels.
  package private(set) var results: [StartupSurvey.Result] = []
  /// What was found in the UKIs that exist now, for `StartupRecord.save`.
  package private(set) var record = StartupRecord()

  package var findings: [Finding] { results.flatMap(\.findings) }

  /// Examines the UKIs of all kernels in the plan, also the previous ones.
  ///
  /// Changes nothing. A UKI is read only if the saved record does not have it, and not at all if `isQuick`. Problems
  /// with a UKI are findings.
  package init(_ observation: HostObservation, _ plan: ApplyPlan, on host: Host, isQuick: Bool = false) {
    let images = Self.images(observation, plan, on: host)
    guard !images.isEmpty else { return }
    var survey = StartupSurvey(on: host, known: StartupRecord.load(from: host.files), isQuick: isQuick)
    results = images.map { survey.examine($0) }
    record = survey.record
  }

  /// Examines the UKIs after `apply` and saves what was found, so that `status` need not unpack their initrds.
  ///
  /// Does nothing if the saved record covers all UKIs in the manifest. The hooks write UKIs without calling this: the
  /// run at the next boot does. Never fails: the record only saves time.
  package static func remember(on host: Host) {
    let digests = Manifest.load(from: host.files).manifest.images.map(\.digest)
    guard !StartupRecord.load(from: host.files).covers(digests) else { return }
    var options = ApplyOptions()
    options.isDryRun = true
    options.reading = .none
    guard case .ready(let configuration, let survey) = try? Readiness(of: host),
      let assessment = try? Assessment(of: host, configuration: configuration, survey: survey, options: options)
    else { return }
    var record = StartupReport(assessment.observation, assessment.plan, on: host).record
    // The next run need not try these again.
    record.cover(digests)
    try? record.save(to: host.files)
  }

  private static func images(
    _ observation: HostObservation, _ plan: ApplyPlan, on host: Host
  ) -> [StartupSurvey.Image] {
    let kernels = plan.kernels.map(\.kernel)
    let lines = try? CommandLines(of: host.files, for: kernels, adding: observation.variants.guards)
    let evidence = (try? BootEvidence(of: host)).flatMap { $0 }
    var seen: Set<[UInt8]> = []
    var images: [StartupSurvey.Image] = []
    for kernel in kernels {
      let line = try? lines?.line(for: kernel)
      for esp in observation.survey.esps {
        for present in observation.contents[esp.name]?.images ?? []
        where present.name.kernel == kernel && present.isOurs {
          var digest: [UInt8]?
          if case .recorded(let recorded, _) = present.content { digest = recorded }
          // Copies are the same.
          if let digest, !seen.insert(digest).inserted { continue }
          let path = present.name.path
          var image = StartupSurvey.Image(kernel, name: "\(path.dropFirst()) on \(esp.name)", digest: digest) {
            try esp.open(on: host, for: .reading).openFile(path)
          }
          image.initrd = digest.flatMap { observation.manifest.image(withDigest: $0) }?.initrd
          image.uki = present.name
          image.configured = present.name.isPrevious ? nil : line
          if let evidence, let booted = present.booted { image.isProven = abs(booted - evidence.bootTime) < 60 }
          images.append(image)
        }
      }
    }
    return images
  }
}
