// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive
package import HostSystem
internal import Messages
internal import SigningKeys

/// `pve-sb-uki-repack --verify`: whether a package differs from its original by nothing but what repacking changes.
package struct VerifyRepack: Sendable {
  /// The invoker's paths.
  package var original: String
  package var repacked: String
  /// Certificates that new signatures have to be by, the invoker's paths; none to leave that open.
  package var certificates: [String]

  package init(original: String, repacked: String, certificates: [String] = []) {
    self.original = original
    self.repacked = repacked
    self.certificates = certificates
  }

  package struct Report: Sendable {
    package var original: PackageReference
    package var repacked: PackageReference
    /// Entries of the two archives that are equal in all they are.
    package var equalCount: Int
    /// In the order of the repacked package, control archive first.
    package var findings: [RepackFinding]

    package var isClean: Bool { findings.allSatisfy(\.isExpected) }
  }

  package struct PackageReference: Hashable, Sendable {
    package var path: String
    package var name: String
    package var version: String
    package var architecture: String
    /// Of the whole file, 32 bytes.
    package var sha256: [UInt8]

    init(_ survey: PackageSurvey) {
      path = survey.path
      (name, version, architecture) = (
        survey.identity.package, survey.identity.version, survey.identity.architecture
      )
      sha256 = survey.sha256
    }
  }

  /// Reads both packages from the first byte to the last; changes nothing.
  ///
  /// A difference is a result. `Failure` is thrown only when nothing can be said: a file cannot be read, is damaged or is
  /// not safe to unpack, or a certificate cannot be loaded.
  package func run(on host: Host) throws -> Report {
    let anchors = try certificates.map { path in
      try describing(path) {
        try Certificate(parsing: try host.userFiles.readFile(path, limit: KeySource.sizeLimit))
      }
    }
    let paths = [original, repacked]
    let surveys = try ParallelWork.map(2, workers: min(2, ParallelWork.processorCount)) { index in
      try describingPackage(paths[index]) {
        try PackageSurvey(paths[index], from: host.userFiles, digestsModules: index == 1 && !anchors.isEmpty)
      }
    }
    var comparison = RepackComparison(original: surveys[0], repacked: surveys[1], anchors: anchors)
    try comparison.run()
    return Report(
      original: PackageReference(surveys[0]), repacked: PackageReference(surveys[1]),
      equalCount: comparison.equalCount, findings: comparison.findings)
  }
}
