// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import BootPaths
package import HostSystem
package import Messages
package import SecureBoot

/// What happens to this machine's boot paths and UKIs if the firmware gets other lists.
package struct PathJudgement: Sendable {
  /// Paths that start now.
  package private(set) var changes: [EnrolmentPlan.PathChange] = []
  package private(set) var refusals: [Refusal] = []
  package private(set) var notes: [Message] = []

  /// A machine that is not judged.
  package init() {}

  /// Compares what starts now with what starts then.
  ///
  /// `images` says what happens to pve-sb-uki's UKIs, by ESP. In another root than that of the running system, the
  /// variables may have no boot entries.
  package init(
    now: BootPathSurvey, then: BootPathSurvey, images: [String: ImageJudgement], isRunningSystem: Bool
  ) {
    for (esp, image) in images.sorted(by: { $0.key < $1.key }) { refuse(image, on: esp) }
    let pairs = Self.pairs(now, then)
    for (before, after) in pairs {
      let starts = after.outcome == .starts
      let reason: Message? = starts ? nil : after.failing?.reason ?? after.outcome.word
      changes.append(
        EnrolmentPlan.PathChange(path: "\(after.name)  \(after.programs)", starts: starts, reason: reason))
      guard !starts else { continue }
      if after.isExpectedLoss, before.origin != now.next?.origin {
        notes.append("\(after.name) (\(after.programs)) will not start with Secure Boot on: \(reason ?? "")")
      } else {
        refuseLoss(of: after, reason: reason ?? "", isFirst: before.origin == now.next?.origin)
      }
    }
    if isRunningSystem, !then.paths.contains(where: \.isReachableUKI) {
      refusals.append(
        Refusal(
          .noBootPath, "no boot path would lead to a UKI of pve-sb-uki", hint: "run 'pve-sb-uki apply'"))
    }
  }

  /// The paths that start now, with what becomes of them.
  private static func pairs(_ now: BootPathSurvey, _ then: BootPathSurvey) -> [(BootPath, BootPath)] {
    zip(now.preparations + now.paths, then.preparations + then.paths).filter { before, _ in
      before.outcome == .starts || before.outcome == .depends
    }
  }

  private mutating func refuse(_ image: ImageJudgement, on esp: String) {
    switch image {
    case .starts: break
    case .missing:
      refusals.append(
        Refusal(.noUsableUKI, "\(esp) has no UKI of pve-sb-uki", hint: "run 'pve-sb-uki apply'"))
    case .rejected(let name, let reason):
      refusals.append(
        Refusal(
          .noUsableUKI, "\(esp): the firmware would reject \(name): \(reason)", hint: "run 'pve-sb-uki apply'"))
    case .unreadable(let reason):
      refusals.append(
        Refusal(.noUsableUKI, "\(esp) cannot be read: \(reason)", hint: "run 'pve-sb-uki status'"))
    }
  }

  private mutating func refuseLoss(of path: BootPath, reason: Message, isFirst: Bool) {
    let object: Message = "\(path.name) (\(path.programs))"
    refusals.append(
      Refusal(
        .lostBootPath,
        isFirst
          ? "this machine now starts by \(object), which would be rejected: \(reason)"
          : "\(object) would be rejected: \(reason)",
        hint: path.wantsVendor
          ? "use --vendor default, or --add-db with the certificate that it needs"
          : isFirst ? "run 'pve-sb-uki apply'" : "add its certificate with --add-db",
        risk: .bootPaths))
  }
}

/// What happens to pve-sb-uki's UKIs on an ESP.
package enum ImageJudgement: Hashable, Sendable {
  /// All start.
  case starts
  /// There is none.
  case missing
  case rejected(String, reason: Message)
  case unreadable(Message)

  /// Judges all UKIs that pve-sb-uki has written to the ESP, as the firmware would with these lists.
  package init(of esp: ESP, _ database: TrustDatabase, on host: Host) {
    do {
      let files = try esp.open(on: host, for: .reading)
      let (manifest, _) = Manifest.load(from: host.files)
      let names = try (files.list(UKIName.directory) ?? []).compactMap { UKIName(fileName: $0) }
        .filter { manifest.image(on: esp.name, $0) != nil }
      guard !names.isEmpty else {
        self = .missing
        return
      }
      let evaluation = TrustEvaluation(database)
      for name in names {
        host.progress("\(esp.name): reading \(name.path.dropFirst())")
        let result = try evaluation.judge(files.openFile(name.path), via: .firmware)
        guard result.isAccepted else {
          self = .rejected("\(name.path.dropFirst())", reason: result.reason)
          return
        }
      }
      self = .starts
    } catch {
      self = .unreadable("\(error)")
    }
  }
}

extension BootPath {
  /// Whether the firmware would start a UKI of pve-sb-uki by this path.
  fileprivate var isReachableUKI: Bool { outcome == .starts && leadsToUKI }

  /// Whether the rejected program has no signature that a certificate could vouch for: to reject such programs is what
  /// Secure Boot is for.
  fileprivate var isExpectedLoss: Bool { failing?.isUnsigned == true }

  /// Whether the path has programs that Microsoft signs.
  fileprivate var wantsVendor: Bool {
    steps.contains { [.shim, .grub, .windows, .fwupd, .mokManager, .fallback].contains($0.program) }
  }
}
