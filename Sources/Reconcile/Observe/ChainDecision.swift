// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Cryptography
package import HostSystem
internal import Messages
package import SecureBoot

/// The boot chain from the firmware to the UKIs, and whether it is trusted; decided again in each run.
package struct ChainDecision: Sendable {
  package let chain: BootChain
  /// Whether this machine starts pve-sb-uki's UKIs through that chain.
  package let trust: BootTrust
  /// What firmware and shim start, as read for this decision.
  package let evaluation: TrustEvaluation

  /// The record of systemd-boot's defaults without those of a chain that has it; nil if it is up to date.
  let correctedRecord: LoaderDefaultRecord?

  /// Which program starts the UKIs.
  package var route: TrustEvaluation.Route {
    switch chain {
    case .direct, .systemdBoot: .firmware
    case .shim(.image): .shim
    case .shim(.systemdBoot): .loader
    }
  }

  /// Why this chain rejects a UKI signed with the trusted certificate, or cannot be judged; nil if it starts it.
  ///
  /// `digest` is the SHA-256 Authenticode digest; `open` opens the UKI if that is not enough to decide.
  func refusal(of digest: [UInt8]?, opening open: () throws -> File?) -> Message? {
    guard evaluation.database.isEnforced, trust.isAccepted else { return nil }
    do {
      return try evaluation.refusal(ofSignedImageWith: digest, via: route, opening: open)
    } catch {
      return "it cannot be checked: \(error)"
    }
  }

  /// Decides the chain for a host.
  ///
  /// - Parameters:
  ///   - host: the running machine, or a directory tree.
  ///   - configuration: its settings.
  ///   - certificate: the certificate that UKIs are signed with.
  ///   - evidence: how the host was booted.
  ///   - esps: the files of the ESPs, open for reading.
  /// - Throws: `HostError` or `CryptoError` if the firmware, shim or an ESP cannot be read.
  package init(
    of host: Host, configuration: Configuration, certificate: Certificate, evidence: BootEvidence?,
    esps: [FileSystem]
  ) throws {
    let database = try TrustDatabase(readingFrom: host)
    let path = BootPrograms(try host.machine).shim
    let isShimInstalled = try host.files.exists(path)
    // With Secure Boot off everything starts, but keep a chain with shim.
    let hasShim = database.secureBootEnabled == true || isShimInstalled
    func trust(_ evaluation: TrustEvaluation, _ route: TrustEvaluation.Route) throws -> BootTrust {
      try BootTrust.evaluate(certificate: certificate, by: evaluation, via: route)
    }
    let record = LoaderDefaultRecord.load(from: host.files)
    chain = BootChain.decide(
      configuration.chain,
      usesSystemdBoot: try BootChain.usesSystemdBoot(
        evidence, wasUsed: !record.defaults.isEmpty, wasChosen: record.isChosen, esps: esps),
      needsShim: try hasShim && trust(TrustEvaluation(database), .shim).isAccepted
        && BootTrust.isKnownToShimOnly(certificate: certificate, database: database))
    var corrected = record
    if !chain.hasSystemdBoot {
      corrected.defaults = [:]
      // Until the next boot, its variables still say that systemd-boot started this one.
      corrected.isChosen = record.isChosen && evidence?.isBySystemdBoot == true
    }
    correctedRecord = corrected == record ? nil : corrected
    guard chain.hasShim, isShimInstalled, database.isEnforced else {
      evaluation = TrustEvaluation(database)
      self.trust = try trust(evaluation, chain.hasShim ? .shim : .firmware)
      return
    }
    let directories = esps.map { ProgramDirectory(LoaderPath.directory, in: $0) }
    let shim = try describing(path) {
      try ShimProgram(of: host.files.openFile(path), in: directories, database: database)
    }
    evaluation = TrustEvaluation(database, shim: shim)
    let byKey = try trust(evaluation, .shim)
    self.trust = try byKey.isAccepted ? Self.refusalOfSystemdBoot(in: chain, by: evaluation, on: host) ?? byKey : byKey
  }

  /// Why shim rejects the host's systemd-boot; nil if it starts it or the chain does without.
  ///
  /// Nil also if systemd-boot is not installed, which is reported elsewhere.
  private static func refusalOfSystemdBoot(
    in chain: BootChain, by evaluation: TrustEvaluation, on host: Host
  ) throws -> BootTrust? {
    let path = BootPrograms(try host.machine).systemdBoot
    guard chain.hasSystemdBoot, try host.files.exists(path),
      let reason = try describing(path, { try evaluation.refusal(bySBATDataOf: host.files.openFile(path)) })
    else { return nil }
    return .refused(
      reason: "shim rejects systemd-boot: \(reason)", hint: "upgrade it: apt install systemd-boot-efi")
  }
}
