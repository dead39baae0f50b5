// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import BootPaths
internal import Cryptography
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot

/// What a request to MokManager needs on this machine: shim and MokManager in the boot path, mokutil, and a certificate that
/// shim accepts.
struct MOKRoad {
  static let mokutil = "/usr/bin/mokutil"

  /// The steps on the way to a request that can be seen without following boot paths; the commands lead to the next one.
  ///
  /// Nil if `enroll --mok` is next.
  static func preparation(
    isShimInTheChain: Bool, database: TrustDatabase, on host: Host
  ) throws -> (reason: Message, command: Message)? {
    let programs = BootPrograms(try host.machine)
    let hasShim = try host.files.exists(programs.shim)
    let hasTool = try host.files.exists(mokutil)
    if !hasShim, !database.isBootedByShim { return ("shim is not installed", "apt install shim-signed mokutil") }
    if !hasTool { return ("mokutil is not installed", "apt install mokutil") }
    guard isShimInTheChain || database.isBootedByShim else {
      return (
        "shim does not start this machine yet", "pve-sb-uki config set Chain shim && pve-sb-uki apply"
      )
    }
    return nil
  }

  /// Throws `Failure` if shim would not offer a request at the next boot, or if MokManager would not start.
  static func requireMokManager(_ survey: BootPathSurvey, on host: Host) throws {
    guard let path = survey.next, let manager = path.mokManager else { throw absence(of: survey) }
    guard manager.verdict == .starts || !survey.isEnforced && manager.verdict == .rejected else {
      let place: Message = "\(manager.partition ?? ""): \((manager.path ?? "").dropFirst())"
      let package = BootPrograms(try host.machine).mokManagerPackage
      throw Failure(
        "\(place) (MokManager) does not start: \(manager.reason)",
        hint: path.isOurs
          ? "run 'apt install \(package) && pve-sb-uki apply'"
          : "run 'apt install --reinstall shim-signed \(package)'; they put it next to shim")
    }
  }

  /// Why shim does not run at the next boot.
  private static func absence(of survey: BootPathSurvey) -> Failure {
    let shims = survey.paths.flatMap(\.steps).filter { $0.program == .shim }
    if survey.isEnforced, survey.next == nil, let step = shims.first(where: { $0.verdict == .rejected }) {
      return Failure(
        "the firmware rejects shim: \(step.reason)",
        hint: "enrol pve-sb-uki's keys in the firmware instead: pve-sb-uki enroll --stage")
    }
    if survey.isUncertain || survey.next == nil {
      return Failure(
        "it is unknown what this machine starts next, so shim may not be there to handle the request",
        hint: "run 'pve-sb-uki boot check'")
    }
    return Failure(
      "the next boot does not go through shim, which alone handles requests of mokutil",
      hint: "put shim into the boot path: pve-sb-uki config set Chain shim && pve-sb-uki apply")
  }

  /// Throws `Failure` if shim rejects images that are signed with the certificate, even after it was added to the MOK list.
  static func requireSuitable(_ certificate: Certificate, database: TrustDatabase) throws {
    let name = certificate.displayName
    guard !certificate.isForKernelModules else {
      throw Failure(
        "the certificate \(name) is only for kernel modules: shim rejects UKIs that are signed with it",
        hint: "create another signing key: pve-sb-uki keys create --mok")
    }
    guard try !database.forbids(certificate) else {
      throw Failure(
        "the certificate \(name) is revoked by dbx or MokListX", hint: "create and enrol new keys")
    }
    guard TrustList.isUsedByShim(certificate) else {
      throw Failure(
        "shim cannot use the certificate \(name): it has \(certificate.der.count) bytes; shim needs 256 to 65535",
        hint: "create another signing key: pve-sb-uki keys create --mok")
    }
  }
}
