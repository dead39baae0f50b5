// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Keys created by the openssl command, independently of the code under test.
package enum OpenSSL {
  /// The time in tests that use the keys: rsa is valid, old has expired, future is not yet valid.
  package static let now: Int64 = 1_795_000_000

  /// Creates `NAME.key` and `NAME.crt` for rsa, ec, weak (RSA 1024), old and future, and `locked.key`, rsa's key with
  /// the passphrase `secret`.
  package static func makeKeys(in directory: TemporaryDirectory) throws {
    for (name, key, from, to) in [
      ("rsa", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "20250101", "20300101"),
      ("ec", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "20250101", "20300101"),
      ("weak", ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "20250101", "20300101"),
      ("old", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "20200101", "20210101"),
      ("future", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "20290101", "20300101"),
    ] {
      let keyPath = directory.path(of: "\(name).key")
      let request = directory.path(of: "\(name).csr")
      try ExternalTool("openssl").run(["genpkey", "-algorithm"] + key + ["-out", keyPath])
      try ExternalTool("openssl").run(["req", "-new", "-key", keyPath, "-subj", "/CN=\(name)", "-out", request])
      try directory.write("ca.cnf", configuration(name, directory))
      try directory.write("\(name).db", "")
      try directory.write("\(name).srl", "01\n")
      try ExternalTool("openssl").run([
        "ca", "-batch", "-selfsign", "-config", directory.path(of: "ca.cnf"), "-keyfile", keyPath, "-in", request,
        "-out", directory.path(of: "\(name).crt"), "-startdate", "\(from)000000Z", "-enddate", "\(to)000000Z",
        "-notext",
      ])
    }
    try ExternalTool("openssl").run([
      "pkcs8", "-topk8", "-in", directory.path(of: "rsa.key"), "-out", directory.path(of: "locked.key"),
      "-passout", "pass:secret",
    ])
  }

  /// The minimal configuration for `openssl ca`, the only command that sets both ends of the validity.
  private static func configuration(_ name: String, _ directory: TemporaryDirectory) -> String {
    """
    [ca]
    default_ca = d
    [d]
    database = \(directory.path(of: "\(name).db"))
    serial = \(directory.path(of: "\(name).srl"))
    new_certs_dir = \(directory.path)
    default_md = sha256
    policy = p
    [p]
    commonName = supplied
    """
  }
}
