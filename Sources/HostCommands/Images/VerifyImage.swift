// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import Messages
package import SecureBoot
internal import SigningKeys

/// `pve-sb-uki verify`: whether firmware or shim starts images.
package struct VerifyImage: Sendable {
  /// Paths of certificates to trust instead of a machine's lists, each with one or more certificates; empty for the lists.
  package var certificates: [String] = []
  /// A directory with EFI variables as in efivarfs; nil for those of this machine.
  package var variables: String?
  /// Which program starts the images; nil for the one in this machine's boot chain.
  package var route: TrustEvaluation.Route?
  /// The shim that would start them; nil for the installed one.
  package var shim: String?

  package init(certificates: [String] = []) { self.certificates = certificates }

  package struct Report: Sendable {
    package var path: String
    package var verdict: TrustEvaluation.Verdict
    /// Why, as a fragment about the image.
    package var reason: Message
    package var route: TrustEvaluation.Route
    package var signatures: [SignatureReport]

    package var isAccepted: Bool { verdict == .starts }
  }

  /// The lists and the program to judge with.
  package struct Judge: Sendable {
    fileprivate let evaluation: TrustEvaluation
    package let route: TrustEvaluation.Route
    /// Whether unsigned images are rejected at present; nil if the lists are not those of a machine.
    package var isEnforced: Bool? {
      evaluation.database.secureBootEnabled == nil ? nil : evaluation.database.isEnforced
    }
    /// Skipped parts of the lists, each as a sentence.
    package let notes: [Message]
  }

  /// Reads the lists.
  ///
  /// Throws `Failure` if a certificate or variable cannot be read, or if neither SecureBoot nor db exists.
  package func judge(on host: Host) throws -> Judge {
    guard certificates.isEmpty else {
      var database = TrustDatabase()
      database.db = TrustList(name: "db", certificates: try certificates.flatMap { try Self.read($0, host) })
      return Judge(evaluation: TrustEvaluation(database), route: .firmware, notes: [])
    }
    let database = try readDatabase(host)
    let route = try route ?? (shim == nil ? Self.usualRoute(database, host) : .shim)
    let program = route == .firmware ? nil : try readShim(database, host)
    return Judge(
      evaluation: TrustEvaluation(database, shim: program), route: route,
      notes: database.ignoredEntries + (program?.notes ?? []))
  }

  static func read(_ path: String, _ host: Host) throws -> [Certificate] {
    try describing(path) {
      try CertificateFile(parsing: try host.userFiles.readFile(path, limit: 1 << 20)).certificates
    }
  }

  private func readDatabase(_ host: Host) throws -> TrustDatabase {
    if let variables {
      let database = try TrustDatabase(readingFrom: host.usingVariables(in: variables))
      guard database.hasLists else {
        throw Failure(
          "\(variables) contains neither db nor SecureBoot",
          hint: "specify a copy of \(EFIVariableStore.directory), with names such as db-d719b2cb-…")
      }
      return database
    }
    let database = try TrustDatabase(readingFrom: host)
    guard database.hasLists else {
      throw Failure(
        "this system has no Secure Boot variables to check images against",
        hint: "specify trusted certificates with --cert, or variables with --efivars")
    }
    return database
  }

  /// The program that starts pve-sb-uki's UKIs on this machine; boot loaders that it starts first do not matter here.
  private static func usualRoute(_ database: TrustDatabase, _ host: Host) throws -> TrustEvaluation.Route {
    let configuration = try Configuration(of: host.files)
    let certificate = try? configuration.signingKey.loadCertificate(from: host)
    let needsShim = try certificate.map { try BootTrust.isKnownToShimOnly(certificate: $0, database: database) }
    return BootChain.decide(configuration.chain, usesSystemdBoot: false, needsShim: needsShim == true).hasShim
      ? .shim : .firmware
  }

  private func readShim(_ database: TrustDatabase, _ host: Host) throws -> ShimProgram? {
    if let shim {
      return try describing(shim) {
        try ShimProgram(
          of: host.userFiles.openFile(shim), in: [ProgramDirectory(PathName(shim).directory, in: host.userFiles)],
          database: database)
      }
    }
    let path = BootPrograms(try host.machine).shim
    guard try host.files.exists(path) else { return nil }
    return try describing(path) {
      try ShimProgram(of: host.files.openFile(path), in: [], database: database)
    }
  }

  /// Judges a single image; see below.
  package func run(_ path: String, on host: Host) throws -> Report { try run(path, by: judge(on: host), on: host) }

  /// Judges an image.
  ///
  /// An invalid or untrusted signature is a result, not an error. Throws `Failure` if the file is not an EFI image or
  /// cannot be read.
  package func run(_ path: String, by judge: Judge, on host: Host) throws -> Report {
    try describing(path) {
      let file = try host.userFiles.openFile(path)
      let database = judge.evaluation.database
      // If the certificate table is in the wrong place, nothing can be said about its signatures.
      let image = try? SignedImage(parsing: file)
      let evidence =
        try image.map { try ImageEvidence(of: $0, in: file, for: database) } ?? ImageEvidence(of: file, for: database)
      let result = try judge.evaluation.judge(evidence, via: judge.route)
      let anchors = database.db.certificates + (judge.route == .firmware ? [] : database.mokList.certificates)
      let signatures = try image?.signatures(in: file) ?? []
      return Report(
        path: path, verdict: result.verdict, reason: result.reason, route: judge.route,
        signatures: try signatures.map { try SignatureReport($0, trusting: anchors) })
    }
  }
}
