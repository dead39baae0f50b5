// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import Reconcile
internal import SecureBoot

/// Whether this machine would start UKIs of the signing key if Secure Boot were on, and how the key gets enrolled.
struct EnrolmentTrust {
  let database: TrustDatabase
  /// The judgement with the lists that the firmware and shim have now.
  let trust: BootTrust
  /// Whether only the enrolment of the certificate is missing.
  let needsEnrolment: Bool
  /// Whether to enrol it in shim's MOK list, rather than in the firmware's db.
  let usesShim: Bool
  /// The pending requests of mokutil.
  let requests: MachineOwnerRequests
  /// Whether MokManager offers the certificate at the next boot.
  let isRequested: Bool

  /// Judges as the boot chain would.
  ///
  /// Throws if the firmware's variables or shim cannot be read.
  init(_ decision: ChainDecision, _ certificate: Certificate, _ survey: ESPSurvey, on host: Host) throws {
    let database = decision.evaluation.database
    self.database = database
    var evaluation = decision.evaluation
    let path = BootPrograms(try host.machine).shim
    let shim = try host.files.exists(path) ? try? Self.shim(path, database, survey, host) : nil
    // With Secure Boot off, nothing had to be judged yet.
    if decision.chain.hasShim, evaluation.shim == nil { evaluation = TrustEvaluation(database, shim: shim) }
    trust =
      database.isEnforced
      ? decision.trust : try .evaluateAsIfOn(certificate: certificate, by: evaluation, via: decision.route)
    needsEnrolment =
      try !trust.isAccepted && BootTrust.needsEnrolment(of: certificate, by: evaluation, via: decision.route)
    requests = try MachineOwnerRequests(readingFrom: host)
    isRequested = try requests.adds(certificate)
    // MokManager can add the certificate if the firmware starts shim, which takes a certificate of Microsoft. An owner who
    // has replaced the platform key does not need it.
    let firmware = try FirmwareKeys(of: host)
    let canUseShim =
      try database.setupMode != true && database.secureBootEnabled != nil && !firmware.isOwned
      && (shim.map { try TrustEvaluation(database, shim: $0).judgeShim($0).isAccepted }
        ?? VendorCertificates.startShim(database.db.certificates))
    usesShim = decision.chain.hasShim || canUseShim
  }

  private static func shim(
    _ path: String, _ database: TrustDatabase, _ survey: ESPSurvey, _ host: Host
  ) throws -> ShimProgram {
    let directories = survey.esps.compactMap { try? $0.open(on: host, for: .reading) }
      .map { ProgramDirectory(LoaderPath.directory, in: $0) }
    return try describing(path) {
      try ShimProgram(of: host.files.openFile(path), in: directories, database: database)
    }
  }
}
