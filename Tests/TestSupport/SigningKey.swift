// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography

/// A key generated for one test run, with files for other tools.
package struct SigningKey: Sendable {
  package static let now: Int64 = 1_795_000_000

  package let identity: SigningIdentity
  package var certificate: Certificate { identity.certificate }

  package init(_ name: String = "Test db", bits: Int = 2048) throws {
    let key = try PrivateKey.generateRSA(bits: bits)
    let certificate = try SelfSignedCertificate(
      commonName: name, serialNumber: [0x11, 0x22, 0x33], notBefore: Self.now - 86_400 * 1000,
      notAfter: Self.now + 86_400 * 1000
    ).issue(by: key)
    identity = try SigningIdentity(key: key, certificate: certificate)
  }

  package func keyFile() throws -> ScratchFile { try ScratchFile(try identity.key.serializedPEM(), suffix: ".key") }
  package func certificateFile() throws -> ScratchFile {
    try ScratchFile(try certificate.serializedPEM(), suffix: ".crt")
  }
}
