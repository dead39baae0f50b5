// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A root, an intermediate that it issued and a leaf that the intermediate issued, and an unrelated certificate, created
/// by the openssl command.
package struct CertificateChain: Sendable {
  package let directory: TemporaryDirectory

  /// Creates `root`, `middle`, `leaf` and `other` as `.key` and `.crt`, and the leaf in other formats: `leaf.der`,
  /// `leaf.p7b`, `leaf.p12`, `leaf.pub`, `leaf-key.der` (PKCS#8), `leaf-traditional.key` and `.der` (PKCS#1), and
  /// `leaf-locked.key` and `.der` with the passphrase `secret`.
  package init() throws {
    directory = try TemporaryDirectory()
    let extensions = "basicConstraints=critical,CA:TRUE\n"
    try directory.write("ca.cnf", extensions)
    for name in ["root", "other"] {
      try run([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path("\(name).key"), "-out", path("\(name).crt"),
        "-subj", "/CN=\(name)", "-days", "30",
      ])
    }
    for (name, issuer, options) in [("middle", "root", ["-extfile", path("ca.cnf")]), ("leaf", "middle", [])] {
      try run([
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", path("\(name).key"), "-out", path("\(name).csr"),
        "-subj", "/CN=\(name)",
      ])
      try run(
        [
          "x509", "-req", "-in", path("\(name).csr"), "-CA", path("\(issuer).crt"), "-CAkey", path("\(issuer).key"),
          "-CAcreateserial", "-days", "30", "-out", path("\(name).crt"),
        ] + options)
    }
    try run(["x509", "-in", path("leaf.crt"), "-outform", "DER", "-out", path("leaf.der")])
    try run(["crl2pkcs7", "-nocrl", "-certfile", path("leaf.crt"), "-outform", "DER", "-out", path("leaf.p7b")])
    try run([
      "pkcs12", "-export", "-in", path("leaf.crt"), "-inkey", path("leaf.key"), "-passout", "pass:secret", "-out",
      path("leaf.p12"),
    ])
    let key = ["-in", path("leaf.key"), "-out"]
    try run(["pkey", "-pubout"] + key + [path("leaf.pub")])
    try run(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"] + key + [path("leaf-key.der")])
    try run(["rsa", "-traditional"] + key + [path("leaf-traditional.key")])
    try run(["rsa", "-traditional", "-outform", "DER"] + key + [path("leaf-traditional.der")])
    for (format, name) in [("PEM", "leaf-locked.key"), ("DER", "leaf-locked.der")] {
      try run(["pkcs8", "-topk8", "-passout", "pass:secret", "-outform", format] + key + [path(name)])
    }
  }

  package func path(_ name: String) -> String { directory.path(of: name) }
  package func bytes(_ name: String) throws -> [UInt8] { try directory.read(name) ?? [] }

  /// Writes the certificates one after the other to `name`, and returns its path.
  package func bundle(_ certificates: [String], as name: String) throws -> String {
    try directory.write(name, certificates.flatMap { try bytes("\($0).crt") })
    return path(name)
  }

  private func run(_ arguments: [String]) throws { try ExternalTool("openssl").run(arguments) }
}
