// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import BootPaths
package import Cryptography
package import HostSystem
internal import KeyEnrolment
package import Messages
internal import Reconcile
internal import SecureBoot
internal import SigningKeys

/// `pve-sb-uki enroll --mok`: asks MokManager to add the signing certificate to shim's MOK list at the next boot.
///
/// mokutil files the request, and gets its password from the terminal or as a hash.
package struct EnrolMOK: Sendable {
  /// A file with the hash of the password, from `mokutil --generate-hash`; nil to let mokutil ask.
  package var hashFile: String?
  /// Certificates to request in addition, such as that of dkms; paths of the user.
  package var others: [String] = []
  /// The seconds that MokManager waits for a key: 1 to 32767.
  package var seconds = 60
  package var isDryRun = false

  package init() {}

  package struct Result: Sendable {
    package enum Outcome: String, Sendable {
      /// shim accepts all certificates already.
      case trusted = "trusted"
      /// The same request was pending before.
      case pending = "pending"
      case requested = "requested"
      /// What `--dry-run` would request.
      case planned = "planned"
    }

    package var outcome: Outcome
    /// The certificates that MokManager will offer; with `trusted`, those that shim accepts.
    package var certificates: [Certificate]
    /// The screens of MokManager, one line each; empty if it will not appear.
    package var screens: [Message] = []
    package var notes: [Message] = []
    /// The next command; nil if nothing has to be done.
    package var nextCommand: Message?
  }

  /// Files the request, unless it is pending or not needed.
  ///
  /// Throws `Failure` if shim would not handle it, if mokutil fails, or if the request cannot be read back.
  package func run(on host: Host) throws -> Result {
    let configuration = try requireReady(host)
    let survey = try ESPSurvey(of: host, configuration)
    let database = try TrustDatabase(readingFrom: host)
    let certificate = try configuration.signingKey.loadCertificate(from: host)
    try MOKRoad.requireSuitable(certificate, database: database)
    let wanted = [certificate] + (try others.map { try Self.certificate($0, on: host) })
    let missing = try wanted.filter { try !Self.isTrusted($0, database) }
    guard !missing.isEmpty else { return try trusted(wanted, certificate, database, on: host) }

    let requests = try MachineOwnerRequests(readingFrom: host)
    let new = try missing.filter { try !requests.adds($0) }
    try requireTools(host)
    let paths = try BootPathSurvey(of: host, survey)
    try MOKRoad.requireMokManager(paths, on: host)
    var result = Result(
      outcome: new.isEmpty ? .pending : isDryRun ? .planned : .requested, certificates: missing,
      screens: MokManagerWalk.lines(missing, seconds: new.isEmpty ? nil : seconds), nextCommand: "systemctl reboot")
    result.notes = missing.filter(\.isForKernelModules).map {
      "the certificate \($0.displayName) is only for kernel modules; shim does not start UKIs that are signed with it"
    }
    guard !new.isEmpty, !isDryRun else { return result }
    try requireRoom(for: new, on: host)
    try request(new, on: host)
    guard try new.allSatisfy(MachineOwnerRequests(readingFrom: host).adds) else {
      throw Failure(
        "the request is missing among the firmware's variables after mokutil has run",
        hint: "check what mokutil printed, then run it again")
    }
    if try host.run(MOKRoad.mokutil, arguments: ["--timeout", "\(seconds)"]) != 0 {
      result.notes.append(
        "mokutil could not set the timeout: MokManager waits for \(MokManagerWalk.defaultSeconds) seconds")
      result.screens = MokManagerWalk.lines(missing, seconds: MokManagerWalk.defaultSeconds)
    }
    return result
  }

  // MARK: Checks

  private func requireReady(_ host: Host) throws -> Configuration {
    guard host.isRunningSystem else {
      throw Failure("mokutil works only on the running machine", hint: "run it there, without --root")
    }
    if try !host.variables.isPresent {
      throw EFIVariableError("read", "", try host.files.isDirectory("/sys/firmware/efi") ? .notMounted : .noFirmware)
    }
    switch try Readiness(of: host) {
    case .ready(let configuration, _): return configuration
    case .skip(let reason): throw Failure(reason.message, hint: reason.hint ?? reason.advice)
    }
  }

  private func requireTools(_ host: Host) throws {
    guard try host.files.exists(MOKRoad.mokutil) else {
      throw Failure("mokutil is not installed", hint: "run: apt install mokutil")
    }
    guard !isDryRun else { return }
    if let hashFile {
      guard try host.userFiles.exists(hashFile) else {
        throw Failure(
          "\(hashFile) does not exist", hint: "write it with: mokutil --generate-hash > \(hashFile.shellWord)")
      }
    } else if !host.terminal.isThere() {
      throw Failure(
        "mokutil asks for a password, which needs a terminal",
        hint: "write its hash with 'mokutil --generate-hash > FILE' and use --hash-file FILE")
    }
  }

  private func requireRoom(for certificates: [Certificate], on host: Host) throws {
    guard let room = try host.variables.room() else { return }
    let need = VariableRoom(sizes: certificates.map { ("MokNew", $0.der.count) }, enrolments: [])
    // The request itself, and shim's copies of it.
    let size = certificates.reduce(need.needed) { $0 + $1.der.count }
    guard room.available >= size else {
      throw Failure(
        "the firmware's variable store has \(room.available) bytes free; the request and shim's copies need \(size)",
        hint: "remove unused entries with 'pve-sb-uki boot forget', then reboot so that the firmware frees the space")
    }
  }

  /// Whether shim accepts what is signed with the certificate: it looks into db and its own list.
  private static func isTrusted(_ certificate: Certificate, _ database: TrustDatabase) throws -> Bool {
    try database.certificates.contains { try certificate.descends(from: $0) }
  }

  private func trusted(
    _ certificates: [Certificate], _ certificate: Certificate, _ database: TrustDatabase, on host: Host
  ) throws -> Result {
    var result = Result(outcome: .trusted, certificates: certificates)
    if try MachineOwnerRequests(readingFrom: host).endsTrust(in: certificate) {
      result.notes.append(
        "a request to remove the certificate from the MOK list is pending; to drop it: mokutil --revoke-delete")
    }
    result.nextCommand = try MachineState(of: host).nextCommand
    return result
  }

  private static func certificate(_ path: String, on host: Host) throws -> Certificate {
    try describing(path) {
      try CertificateFile(parsing: host.userFiles.readFile(path, limit: KeySource.sizeLimit)).signer()
    }
  }

  // MARK: mokutil

  /// Runs mokutil, which asks for the password unless there is a hash.
  private func request(_ certificates: [Certificate], on host: Host) throws {
    let directory = "/run/pve-sb-uki"
    try host.files.makeDirectory(directory)
    let place = try host.files.makePrivateDirectory(in: directory)
    try withExtendedLifetime(place) {
      let paths = try certificates.enumerated().map { index, certificate in
        let path = "\(place.path)/\(index).der"
        try host.files.replaceFile(path, mode: 0o600, content: certificate.der)
        return host.files.display(path)
      }
      let arguments = ["--import"] + paths + (hashFile.map { ["--hash-file", $0] } ?? [])
      let code =
        hashFile == nil
        ? try host.processes.interact(MOKRoad.mokutil, arguments: arguments)
        : try host.processes.run(MOKRoad.mokutil, arguments: arguments)
      guard code == 0 else {
        throw Failure(
          "mokutil failed with exit code \(code); nothing was requested",
          hint: "check its message above, then run the command again")
      }
    }
  }
}
