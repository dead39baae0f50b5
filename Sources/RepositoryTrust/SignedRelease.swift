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
      let errors = String(decoding: report.errors, as: UTF8.self).split(separator: "\n").last.map(String.init)
      throw TrustError(
        .signature,
        "\(file) is not signed by a key in \(keyring): \(errors ?? "gpgv ended with status \(report.status)")",
        hint: "specify the repository's keyring with --keyring, such as one from /usr/share/keyrings")
    }
    return status.signers
  }
}

/// The status output of gpgv (GnuPG, doc/DETAILS).
private struct GpgvStatus {
  /// Fingerprints of the primary keys with a good signature; neither signature nor key has expired, and the key is not
  /// revoked.
  private(set) var signers: [String] = []
  private(set) var hasBadSignature = false

  init(parsing output: [UInt8]) {
    var isGood = false
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard words.count > 1, words[0] == "[GNUPG:]" else { continue }
      switch words[1] {
      case "NEWSIG": isGood = false
      case "GOODSIG": isGood = true
      case "BADSIG": hasBadSignature = true
      case "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG": isGood = false
      // The last argument is the fingerprint of the primary key; old versions omit it.
      case "VALIDSIG" where isGood && words.count > 2: signers.append(String(words.count > 11 ? words[11] : words[2]))
      default: break
      }
    }
  }
}
