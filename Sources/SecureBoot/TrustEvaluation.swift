// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import HostSystem
package import Messages
internal import PortableExecutable

/// Whether a machine with these variables starts an image; the only place that decides it (promise I3).
///
/// Decides as if Secure Boot were on; `database.isEnforced` says whether it is.
package struct TrustEvaluation: Sendable {
  /// Which program starts the image.
  package enum Route: String, Sendable {
    case firmware = "firmware"
    /// The firmware starts shim, which starts the image.
    case shim = "shim"
    /// The firmware starts shim, which starts a boot loader, which asks shim about the image.
    case loader = "loader"
  }

  package enum Verdict: String, Sendable {
    case starts = "starts"
    case rejected = "rejected"
    /// Firmware of different age decides differently; counts as rejected.
    case depends = "depends"
  }

  /// A verdict about an image, and why.
  package struct Result: Sendable {
    package let verdict: Verdict
    /// A fragment about the image, such as `signed by CN = …`.
    package let reason: Message
    let cause: Decision.Cause
    /// Whether the image does not start because shim does not.
    var isAboutShim = false

    package var isAccepted: Bool { verdict == .starts }
  }

  package let database: TrustDatabase
  /// The shim that would run; nil if it is unknown.
  package let shim: ShimProgram?

  package init(_ database: TrustDatabase, shim: ShimProgram? = nil) {
    self.database = database
    self.shim = shim
  }

  /// Judges an image.
  ///
  /// Throws `CryptoError` if libcrypto fails.
  package func judge(_ image: ImageEvidence, via route: Route) throws -> Result {
    guard route != .firmware else { return try judgeByFirmware(image) }
    if let shim {
      let ofShim = try judgeShim(shim)
      guard ofShim.isAccepted else { return ofShim }
    }
    let decision = try ShimPolicy(database: database, shim: shim).judge(image, forLoader: route == .loader)
    return Result(
      verdict: decision.isAccepted ? .starts : .rejected, reason: decision.reason, cause: decision.cause)
  }

  /// Whether the machine gets as far as a running shim.
  package func judgeShim(_ shim: ShimProgram) throws -> Result {
    let byFirmware = try judgeByFirmware(shim.evidence)
    guard byFirmware.isAccepted else {
      return Result(
        verdict: byFirmware.verdict, reason: "the firmware rejects shim: \(byFirmware.reason)", cause: byFirmware.cause,
        isAboutShim: true)
    }
    if !database.isShimValidationDisabled, let reason = shim.evidence.revocationData.refusal(at: revocationLevel) {
      return Result(
        verdict: .rejected, reason: "shim is revoked: \(reason)", cause: .revocationLevel, isAboutShim: true)
    }
    return byFirmware
  }

  private func judgeByFirmware(_ image: ImageEvidence) throws -> Result {
    let decisions = try EDK2Generation.all.map { generation in
      (generation.name, try EDK2Policy(database: database, generation: generation).judge(image))
    }
    let accepting = decisions.filter(\.1.isAccepted)
    guard let (name, refusal) = decisions.first(where: { !$0.1.isAccepted }) else {
      return Result(verdict: .starts, reason: decisions[0].1.reason, cause: .accepted)
    }
    guard !accepting.isEmpty else { return Result(verdict: .rejected, reason: refusal.reason, cause: refusal.cause) }
    return Result(
      verdict: .depends,
      reason: "\(name) rejects it: \(refusal.reason); \(accepting.map(\.0).joined(separator: ", ")) would start it",
      cause: refusal.cause)
  }

  /// Judges the image in a file.
  ///
  /// Throws if the file is not an EFI image or cannot be read.
  package func judge(_ file: File, via route: Route) throws -> Result {
    try judge(ImageEvidence(of: file, for: database), via: route)
  }

  /// Whether the file is started; false if it cannot be read.
  package func accepts(_ file: File, via route: Route) -> Bool { (try? judge(file, via: route).isAccepted) == true }

  /// The SHA-256 digests of images that are rejected regardless of their signatures.
  package func forbiddenDigests(via route: Route) -> Set<[UInt8]> {
    let lists =
      route == .firmware ? [database.dbx] : [database.dbx, database.mokListX] + [shim?.denied].compactMap { $0 }
    return lists.reduce([]) { $0.union($1.imageDigests(.sha256)) }
  }

  /// Why an image with a good SHA-256 signature by a trusted key is rejected: its digest or SBAT data is revoked.
  ///
  /// Nil if it starts, or if it cannot be read. `digest` is its SHA-256 Authenticode digest; `open` is called only if that is
  /// not enough to decide. Throws `CryptoError` if libcrypto fails.
  package func refusal(
    ofSignedImageWith digest: [UInt8]?, via route: Route, opening open: () throws -> File?
  ) throws -> Message? {
    if let digest, forbiddenDigests(via: route).contains(digest) { return "its digest is revoked" }
    let hasOtherDigests = !database.dbx.digestAlgorithms.isSubset(of: [.sha256])
    guard route != .firmware || hasOtherDigests || digest == nil, let file = try open() else { return nil }
    let image = try ImageEvidence(of: file, for: database, digest: digest)
    let result = try judge(image, via: route)
    return result.isAccepted || result.isAboutShim ? nil : result.reason
  }

  /// Why shim rejects a program, once it is signed with a trusted key, because of its SBAT data; nil if it does not.
  ///
  /// Throws if the file is not an EFI image or cannot be read.
  package func refusal(bySBATDataOf file: File) throws -> Message? {
    RevocationData.section(try PEHeader(parsing: file).sbat(in: file)).refusal(at: revocationLevel)
  }

  /// The revocation level that shim applies at the next boot with Secure Boot on.
  package var revocationLevel: RevocationLevel { RevocationLevel.next(database, shim: shim) }
}
