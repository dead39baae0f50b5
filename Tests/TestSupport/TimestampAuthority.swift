// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography

/// A time-stamping authority (RFC 3161), run with `openssl ts` and present only in a directory.
package struct TimestampAuthority: Sendable {
  private let directory: TemporaryDirectory
  /// The certificate that signs the time stamps, and the one that issued it.
  package let signer: Certificate
  package let root: Certificate
  package var rootFile: String { path("root.crt") }

  package init() throws {
    directory = try TemporaryDirectory()
    let directory = directory
    func path(_ name: String) -> String { directory.path(of: name) }
    try directory.write(
      "tsa.cnf",
      """
      [tsa]
      default_tsa = authority
      [authority]
      serial = \(path("serial"))
      default_policy = 1.2.3.4
      digests = sha1, sha256, sha384, sha512
      signer_digest = sha256
      accuracy = secs:1
      [signer]
      extendedKeyUsage = critical,timeStamping
      """)
    let openssl = ExternalTool("openssl")
    try openssl.run([
      "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path("root.key"), "-out", path("root.crt"),
      "-subj", "/CN=stamp root", "-days", "30",
    ])
    try openssl.run([
      "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", path("signer.key"), "-out", path("signer.csr"),
      "-subj", "/CN=stamps",
    ])
    try openssl.run([
      "x509", "-req", "-in", path("signer.csr"), "-CA", path("root.crt"), "-CAkey", path("root.key"),
      "-CAcreateserial", "-days", "30", "-extfile", path("tsa.cnf"), "-extensions", "signer", "-out",
      path("signer.crt"),
    ])
    signer = try Certificate(parsing: try directory.read("signer.crt") ?? [])
    root = try Certificate(parsing: try directory.read("root.crt") ?? [])
  }

  private func path(_ name: String) -> String { directory.path(of: name) }

  /// A TimeStampToken over `content`, with the signer's certificate and its issuer's.
  package func token(over content: [UInt8], digest: String) throws -> [UInt8] {
    try directory.write("content", content)
    let openssl = ExternalTool("openssl")
    try openssl.run([
      "ts", "-query", "-data", path("content"), "-\(digest)", "-cert", "-out", path("query"),
    ])
    try openssl.run([
      "ts", "-reply", "-config", path("tsa.cnf"), "-queryfile", path("query"), "-signer", path("signer.crt"), "-inkey",
      path("signer.key"), "-chain", path("root.crt"), "-token_out", "-out", path("token"),
    ])
    return try directory.read("token") ?? []
  }

  /// The time in a token in seconds since 1970, as openssl and date read it.
  package func time(of token: [UInt8]) throws -> Int64? {
    try directory.write("token", token)
    let text = String(
      decoding: try ExternalTool("openssl").run([
        "ts", "-reply", "-in", path("token"), "-token_in", "-token_out", "-text",
      ]), as: UTF8.self)
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Time stamp: ") }) else { return nil }
    let date = try ExternalTool("date").run(["-d", String(line.dropFirst(12)), "+%s"])
    return Int64(String(decoding: date.dropLast(), as: UTF8.self))
  }
}
