// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
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
  /// The certificates and digests that firmware and shim accept or reject, as read for this decision.
  let database: TrustDatabase

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
    self.database = database
    func trust(throughShim: Bool) throws -> BootTrust {
      try BootTrust.evaluate(certificate: certificate, database: database, throughShim: throughShim)
    }
    let byFirmware = try trust(throughShim: false)
    let byShim = try trust(throughShim: true)
    // With Secure Boot off everything starts, but keep a chain with shim.
    let shim = BootPrograms(try host.machine).shim
    let hasShim = try database.secureBootEnabled == true || host.files.exists(shim)
    chain = BootChain.decide(
      configuration.chain,
      usesSystemdBoot: try BootChain.usesSystemdBoot(
        evidence, wasUsed: !LoaderDefaultRecord.load(from: host.files).defaults.isEmpty, esps: esps),
      needsShim: try hasShim && byShim.isAccepted
        && BootTrust.isKnownToShimOnly(certificate: certificate, database: database))
    guard chain.hasShim, byShim.isAccepted else {
      self.trust = chain.hasShim ? byShim : byFirmware
      return
    }
    self.trust = try Self.refusalOfShim(shim, by: database, on: host) ?? byShim
  }

  /// Why the firmware rejects shim itself.
  ///
  /// Nil if it accepts shim, or if shim is not installed, which is reported elsewhere.
  private static func refusalOfShim(_ shim: String, by database: TrustDatabase, on host: Host) throws -> BootTrust? {
    guard database.isEnforced,
      try host.files.exists(shim)
    else { return nil }
    var trust = try TrustAnchors(machine: host)
    // The firmware ignores shim's list.
    trust.allowed = database.firmwareCertificates
    let verdict = try describing(shim) {
      let file = try host.files.openFile(shim)
      let image = try SignedImage(parsing: file)
      return try trust.judge(
        digest: ImageDigest.compute(of: file, header: image.header), image.signatures(in: file))
    }
    guard !verdict.isAccepted else { return nil }
    return .refused(
      reason: "the firmware rejects shim: \(verdict.reason)",
      hint: "enrol Microsoft's UEFI CA in db, or enrol pve-sb-uki's certificate there and set Chain=direct")
  }
}
