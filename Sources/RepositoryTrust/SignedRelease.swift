// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages

/// A repository's verified release file (https://wiki.debian.org/DebianRepository/Format, "Release" files).
package struct SignedRelease: Sendable {
  /// The user's path.
  let file: String
  /// Fingerprints of the primary keys with a valid signature, in upper-case hexadecimal.
  let signers: [String]
  let release: ReleaseFile

  /// Maximum size of a release file, signature or keyring in bytes.
  ///
  /// Debian's release file has less than 1 MB.
  private static let sizeLimit = 16 << 20

  /// Reads a release file and verifies it by gpgv with the keys in `keyring`, binary or ASCII-armoured.
  ///
  /// The file is `InRelease`, or `Release` with `Release.gpg` next to it, from a repository or from apt's lists, where
  /// file names end in these words. Throws `TrustError` if a signature is bad, none is valid, or the file is out of
  /// date or malformed; `HostError` if a file cannot be read or gpgv cannot be run.
  package init(_ file: String, keyring: String, on host: Host) throws {
    let files = host.userFiles
    let signed = try files.readFile(file, limit: Self.sizeLimit)
    let isInline = file.hasSuffix("InRelease")
    let signature = isInline ? nil : try files.readFile("\(file).gpg", limit: Self.sizeLimit)
    let keys = try OpenPGPArmor.binary(files.readFile(keyring, limit: Self.sizeLimit), of: keyring)

    // gpgv reads copies, so that it verifies exactly the bytes used below.
    let directory = try files.makePrivateDirectory(in: host.environment("TMPDIR") ?? "/tmp")
    defer { withExtendedLifetime(directory) {} }
    let path = directory.path
    let parts = (keys: "\(path)/keys.gpg", text: "\(path)/text", signature: "\(path)/signature")
    let verified = "\(path)/verified"
    try files.replaceFile(parts.keys, mode: 0o600, content: keys)
    try files.replaceFile(parts.text, mode: 0o600, content: signed)
    if let signature { try files.replaceFile(parts.signature, mode: 0o600, content: signature) }
    // SHA-1 signatures can be forged; apt rejects them, too.
    let options = ["--homedir", path, "--keyring", parts.keys, "--weak-digest", "SHA1", "--status-fd", "1"]
    let report: ProcessOutput
    do {
      report = try host.processes.collect(
        "gpgv",
        arguments: options
          + (signature == nil ? ["--output", verified, parts.text] : [parts.signature, parts.text]))
    } catch var error as HostError {
      error.hint = "install gpgv, or compare the package's digest with --sha256"
      throw error
    }
    signers = try Self.signers(in: report, of: file, keyring: keyring)
    // InRelease may contain text around its signed part; gpgv outputs only the signed part.
    let text = signature == nil ? try files.readFile(verified, limit: Self.sizeLimit) : signed
    self.file = file
    release = try ReleaseFile(parsing: text, of: file)
    try release.requireCurrent(at: host.now(), file: file)
  }

  /// The keys with a valid signature.
  ///
  /// A signature by a key outside the keyring is ignored, as apt does.
  private static func signers(in report: ProcessOutput, of file: String, keyring: String) throws(TrustError)
    -> [String]
  {
    let status = GpgvStatus(parsing: report.output)
    guard !status.hasBadSignature else {
      throw TrustError(
        .signature, "\(file) was modified: its signature is bad",
        hint: "download the release file again from a trusted mirror")
    }
    guard !status.signers.isEmpty else {
      if let flaw = status.flaw { throw flaw.error(file) }
      let errors = String(decoding: report.errors, as: UTF8.self).split(separator: "\n").last.map(String.init)
      throw TrustError(
        .signature,
        "\(file) is not signed by a key in \(keyring): \(errors ?? "gpgv ended with status \(report.status)")",
        hint: "specify the repository's keyring with --keyring, such as one from /usr/share/keyrings")
    }
    // gpgv ends with 2 if it cannot check one of several signatures, usually for lack of a key.
    guard report.status == 0 || report.status == 2 && status.hasUncheckedSignature else {
      throw TrustError(
        .signature, "the signature of \(file) was not verified: gpgv ended with status \(report.status)",
        hint: "run 'gpgv --keyring \(keyring) \(file)' to see why")
    }
    return status.signers
  }
}

/// Why an intact signature by a key of the keyring is not valid, with the key's ID.
private enum SignatureFlaw {
  case expiredKey(String)
  case revokedKey(String)
  case expired(String)

  func error(_ file: String) -> TrustError {
    switch self {
    case .expiredKey(let key):
      TrustError(
        .signature, "\(file) is signed by key \(key), which has expired",
        hint: "update the repository's keyring, then run 'apt-get update'")
    case .revokedKey(let key):
      TrustError(
        .signature, "\(file) is signed by key \(key), which its owner has revoked",
        hint: "download the repository's new keyring and release file, or use --sha256 with a digest that you trust")
    case .expired(let key):
      TrustError(
        .signature, "the signature of \(file) by key \(key) has expired",
        hint: "run 'apt-get update', or download the release file again")
    }
  }
}

/// The status output of gpgv (GnuPG, doc/DETAILS).
private struct GpgvStatus {
  /// Fingerprints of the primary keys with a good signature; neither signature nor key has expired, and the key is not
  /// revoked.
  private(set) var signers: [String] = []
  private(set) var hasBadSignature = false
  /// Whether gpgv could not check a signature, such as one by a key that is not in the keyring.
  private(set) var hasUncheckedSignature = false
  /// Of the first signature that is intact, but not valid.
  private(set) var flaw: SignatureFlaw?

  init(parsing output: [UInt8]) {
    var isGood = false
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard words.count > 1, words[0] == "[GNUPG:]" else { continue }
      switch words[1] {
      case "NEWSIG": isGood = false
      case "GOODSIG": isGood = true
      case "BADSIG": hasBadSignature = true
      case "ERRSIG": (isGood, hasUncheckedSignature) = (false, true)
      case "EXPKEYSIG", "REVKEYSIG", "EXPSIG":
        isGood = false
        flaw = flaw ?? Self.flaw(words[1], key: words.count > 2 ? String(words[2]) : "?")
      // The last argument is the fingerprint of the primary key; old versions omit it.
      case "VALIDSIG" where isGood && words.count > 2: signers.append(String(words.count > 11 ? words[11] : words[2]))
      default: break
      }
    }
  }

  private static func flaw(_ word: Substring, key: String) -> SignatureFlaw {
    switch word {
    case "EXPKEYSIG": .expiredKey(key)
    case "REVKEYSIG": .revokedKey(key)
    default: .expired(key)
    }
  }
}
