// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import HostSystem
internal import Messages

/// A repository's release file (Debian repository format, "Release files") whose signature holds.
package struct SignedRelease: Sendable {
  /// The path as it was named.
  package let file: String
  /// Fingerprints of the primary keys whose signatures hold.
  package let signers: [String]
  let release: ReleaseFile

  /// A release file and a keyring have less.
  private static let sizeLimit = 16 << 20

  /// Reads `InRelease`, or `Release` with `Release.gpg` beside it, in a repository or in apt's lists (where the names
  /// end so), and has gpgv check it with the keys in `keyring`, binary or in ASCII armour.
  ///
  /// Throws `TrustError` if no signature holds, if one is bad, or if the file is out of date or not understood;
  /// `HostError` if a file cannot be read or gpgv not be run.
  package init(_ file: String, keyring: String, on host: Host) throws {
    let files = host.userFiles
    let signed = try files.readFile(file, limit: Self.sizeLimit)
    let isInline = file.hasSuffix("InRelease")
    let signature = isInline ? nil : try files.readFile("\(file).gpg", limit: Self.sizeLimit)
    let keys = try OpenPGPArmor.binary(files.readFile(keyring, limit: Self.sizeLimit), of: keyring)

    // What gpgv reads are copies, so that it and we see the same.
    let directory = try files.makePrivateDirectory(in: host.environment("TMPDIR") ?? "/tmp")
    let parts = (keys: "\(directory)/keys.gpg", text: "\(directory)/text", signature: "\(directory)/signature")
    let verified = "\(directory)/verified"
    defer {
      for path in [parts.keys, parts.text, parts.signature, verified] { _ = try? files.remove(path) }
      _ = try? files.removeDirectory(directory)
    }
    try files.replaceFile(parts.keys, mode: 0o600, content: keys)
    try files.replaceFile(parts.text, mode: 0o600, content: signed)
    if let signature { try files.replaceFile(parts.signature, mode: 0o600, content: signature) }
    // SHA-1 is broken for this; apt refuses it, too.
    let options = ["--homedir", directory, "--keyring", parts.keys, "--weak-digest", "SHA1", "--status-fd", "1"]
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
    // Text outside of the signed part of InRelease is not in what gpgv wrote.
    let text = signature == nil ? try files.readFile(verified, limit: Self.sizeLimit) : signed
    self.file = file
    release = try ReleaseFile(parsing: text, of: file)
    try release.requireCurrent(at: host.now(), file: file)
  }

  /// The keys whose signatures hold; one of another key is passed over, as apt does.
  private static func signers(in report: ProcessOutput, of file: String, keyring: String) throws(TrustError)
    -> [String]
  {
    let status = GpgvStatus(parsing: report.output)
    guard !status.hasBadSignature else {
      throw TrustError(
        .signature, "\(file) is not what was signed: its signature is bad",
        hint: "get the release file once more, from a mirror that you trust")
    }
    guard !status.signers.isEmpty else {
      let errors = String(decoding: report.errors, as: UTF8.self).split(separator: "\n").last.map(String.init)
      throw TrustError(
        .signature, "no key in \(keyring) has signed \(file): \(errors ?? "gpgv ended with status \(report.status)")",
        hint: "name the keyring of the repository with --keyring, such as those in /usr/share/keyrings")
    }
    return status.signers
  }
}
