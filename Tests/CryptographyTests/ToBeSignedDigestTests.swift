// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import TestSupport
import Testing

@Suite struct ToBeSignedDigestTests {
  @Test func digestCoversTheSameBytesAsInOpenSSL() throws {
    let root = try TemporaryDirectory()
    let certificate = try SigningKey().certificate
    try root.write("c.der", certificate.der)
    try ExternalTool("openssl").run([
      "asn1parse", "-inform", "DER", "-in", root.path(of: "c.der"), "-strparse", "4", "-noout", "-out",
      root.path(of: "tbs"),
    ])
    let digest = try ExternalTool("sha256sum").run([root.path(of: "tbs")])
    #expect(String(decoding: digest, as: UTF8.self).hasPrefix(try certificate.toBeSignedDigest().hexadecimal))
  }
}
