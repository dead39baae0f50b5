// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import TestSupport

/// A key and a self-signed certificate created by openssl.
struct TestCertificate {
  /// The certificate and the key in PEM.
  let path: String
  let keyPath: String
  let der: [UInt8]

  init(_ name: String = "Test", in scratch: TemporaryDirectory) throws {
    path = scratch.path(of: "\(name).crt")
    keyPath = scratch.path(of: "\(name).key")
    try ExternalTool("openssl").run([
      "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", keyPath, "-out", path, "-subj", "/CN=\(name)",
      "-days", "30",
    ])
    der = try ExternalTool("openssl").run(["x509", "-in", path, "-outform", "DER"])
  }
}
