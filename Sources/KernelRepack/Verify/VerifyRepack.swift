// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive
package import HostSystem
package import Messages
internal import SigningKeys

/// `pve-sb-uki-repack --verify`: whether a package differs from its original only by what repacking changes.
package struct VerifyRepack: Sendable {
  /// Paths of the two packages.
  package var original: String
  package var repacked: String
  /// Paths of the certificates that new signatures must be by; empty if any signer is accepted.
  package var certificates: [String]

  package init(original: String, repacked: String, certificates: [String] = []) {
    self.original = original
    self.repacked = repacked
    self.certificates = certificates
  }

  package struct Report: Sendable {
    package var original: PackageReference
    package var repacked: PackageReference
    /// Identical entries of the control and data archives.
    package var equalCount: Int
    /// In the order of the repacked package, control archive first.
    package var findings: [RepackFinding]

    package var isClean: Bool { findings.allSatisfy(\.isExpected) }
  }

  package struct PackageReference: Sendable {
    package var path: String
    package var name: String
    package var version: String
    package var architecture: String
    /// Of the whole file.
    package var sha256: [UInt8]

    init(_ survey: PackageSurvey) {
      path = survey.path
      (name, version, architecture) = (
        survey.identity.package, survey.identity.version, survey.identity.architecture
      )
      sha256 = survey.sha256
    }
  }

  /// Reads both packages completely.
  ///
  /// A difference is a result, not an error. Throws `Failure` if a package cannot be read, is damaged or is unsafe to
  /// unpack, or if a certificate cannot be loaded.
  package func run(on host: Host) throws -> Report {
    let anchors = try certificates.flatMap { path in
      try describing(path) {
        try CertificateFile(parsing: try host.userFiles.readFile(path, limit: KeySource.sizeLimit)).certificates
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

/// A difference between a repacked package and its original, or between a package and its own md5sums.
package struct RepackFinding: Hashable, Sendable {
  /// What differs.
  ///
  /// The raw value is used in JSON.
  package enum Kind: String, Sendable {
    /// The compression of a member.
    case compression = "compression"
    /// A member of the ar archive: added, removed, or with another header.
    case member = "member"
    /// A file of the control archive, other than `control` and `md5sums`.
    case controlFile = "control-file"
    /// A field of `control`.
    case controlField = "control-field"
    case md5sums = "md5sums"
    case fileAdded = "file-added"
    case fileRemoved = "file-removed"
    case fileRenamed = "file-renamed"
    /// The order of entries, fields or lines.
    case order = "order"
    /// Type, permissions, owner, time or link target of an entry.
    case metadata = "metadata"
    /// The content of a file, apart from its signatures.
    case content = "content"
    case imageSignature = "image-signature"
    case moduleSignature = "module-signature"
    case provenance = "provenance"
  }

  package var kind: Kind
  /// Whether repacking makes this difference.
  ///
  /// If not, it is a problem.
  package var isExpected: Bool
  /// The path, field or member that differs.
  package var subject: String
  /// The rest of a sentence about `subject`.
  package var detail: Message
}
