// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import ArgumentParser
internal import BinaryFormat
internal import Messages
package import SigningKeys

/// Options that name a signing key.
package struct KeyOptions: ParsableArguments {
  package init() {}

  @Option(
    help: ArgumentHelp("Private key: a PEM, DER or PKCS#12 file, or an OpenSSL store URI", valueName: "path-or-uri"),
    completion: .file())
  package var key: String?

  @Option(
    help: ArgumentHelp("Certificate of the key, PEM or DER; in PEM also its issuers", valueName: "file"),
    completion: .file())
  package var cert: String?

  @OptionGroup package var passphrase: PassphraseOptions

  /// The specified key; nil if there is none.
  ///
  /// Throws `ValidationError` if the options are incomplete.
  package func source() throws -> KeySource? {
    guard (key == nil) == (cert == nil) else { throw ValidationError(saying: "--key and --cert must be used together") }
    guard let key, let cert else { return nil }
    return KeySource(key: key, certificate: cert, passphraseFile: passphrase.passphraseFile)
  }
}
