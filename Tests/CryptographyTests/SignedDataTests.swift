// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import Messages
import TestSupport
import Testing

@Suite struct SignedDataTests {
  static let now: Int64 = 1_795_000_000

  /// A fresh key with a certificate valid for a year around `now`.
  static func identity(_ name: String = "Test", bits: Int = 2048) throws -> SigningIdentity {
    let key = try PrivateKey.generateRSA(bits: bits)
    let certificate = try SelfSignedCertificate(
      commonName: name, serialNumber: [1, 2, 3], notBefore: now - 86400, notAfter: now + 31_536_000
    ).issue(by: key)
    return try SigningIdentity(key: key, certificate: certificate)
  }

  @Test func embeddedContentVerifiesUnlessAByteChanges() throws {
    let identity = try Self.identity()
    let inner = DER.element(DER.octetString, [1, 2, 3])
    let content = DER.element(DER.sequence, inner)
    let der = try SignedData.sign(
      embedding: content, type: "1.3.6.1.4.1.311.2.1.4", by: identity, signingTime: Self.now)
    let message = try SignedData(parsing: der)
    #expect(message.contentType == "1.3.6.1.4.1.311.2.1.4")
    #expect(message.content == content)
    #expect(message.version == 1)
    #expect(message.signers == [identity.certificate])
    #expect(try message.verifies(inner))
    #expect(try !message.verifies(DER.element(DER.octetString, [1, 2, 4])))
    #expect(try message.anchor(among: [identity.certificate]) == identity.certificate)
    #expect(try message.anchor(among: [Self.identity("Other").certificate]) == nil)
  }

  @Test func detachedContentVerifies() throws {
    let identity = try Self.identity()
    let message = try SignedData(parsing: try SignedData.sign(detached: [7, 8, 9], by: identity))
    #expect(message.content == nil)
    #expect(try message.verifies([7, 8, 9]))
    #expect(try !message.verifies([7, 8]))
  }

  /// EDK2 requires every signer to descend from the certificate; for a revocation one signer is enough.
  @Test func everySignerMustBeTrusted() throws {
    let (one, other) = (try SigningKey("one"), try SigningKey("other"))
    let files = [try one.certificateFile(), try one.keyFile(), try other.certificateFile(), try other.keyFile()]
    let der = try ExternalTool("openssl").run(
      ["smime", "-sign", "-binary", "-outform", "DER"]
        + zip(["-signer", "-inkey", "-signer", "-inkey"], files).flatMap { [$0, $1.path] },
      input: [7, 8, 9])
    let message = try SignedData(parsing: der)
    #expect(message.signers.count == 2)
    #expect(try message.verifies([7, 8, 9]))
    for certificate in [one.certificate, other.certificate] {
      #expect(try message.anchor(among: [certificate]) == nil)
      #expect(try message.hasSigner(from: [certificate]))
    }
    #expect(try !message.hasSigner(from: [Self.identity("Third").certificate]))
  }

  /// Partial chains are enough, whatever the dates; an unrelated certificate with the root's name is not.
  @Test func everyCertificateOfTheChainIsAnAnchor() throws {
    let chain = try CertificateChain()
    func sign(with certificates: [String]) throws -> SignedData {
      let der = try ExternalTool("openssl").run(
        [
          "smime", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", chain.path("leaf.crt"), "-inkey",
          chain.path("leaf.key"), "-certfile", try chain.bundle(certificates, as: "others.pem"),
        ], input: [7, 8, 9])
      return try SignedData(parsing: der)
    }
    func certificate(_ name: String) throws -> Certificate { try Certificate(parsing: chain.bytes("\(name).crt")) }
    let names = ["leaf", "middle", "root"]
    let whole = try sign(with: ["root", "other", "middle"])
    #expect(whole.signers == [try certificate("leaf")])
    #expect(whole.signerChain == [try certificate("leaf"), try certificate("middle"), try certificate("root")])
    for name in names {
      #expect(try whole.descends(from: certificate(name)), "\(name)")
      #expect(try whole.verifies([7, 8, 9], trusting: certificate(name)), "\(name)")
      #expect(try !whole.verifies([7, 8], trusting: certificate(name)), "\(name)")
    }
    #expect(try !whole.descends(from: certificate("other")))
    #expect(try !whole.descends(from: Self.identity("root").certificate))
    // Without the intermediate, nothing leads to the root.
    let short = try sign(with: ["root"])
    #expect(short.signerChain == [try certificate("leaf")])
    #expect(try !short.descends(from: certificate("root")) && short.descends(from: certificate("middle")))
  }

  /// libcrypto, which firmware uses, requires that issuers say they are CAs, even if they are trusted themselves.
  @Test func anIssuerMustBeACA() throws {
    let chain = try CertificateChain()
    let openssl = ExternalTool("openssl")
    try openssl.run([
      "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", chain.path("low.key"), "-out", chain.path("low.csr"),
      "-subj", "/CN=low",
    ])
    try openssl.run([
      "x509", "-req", "-in", chain.path("low.csr"), "-CA", chain.path("leaf.crt"), "-CAkey", chain.path("leaf.key"),
      "-CAcreateserial", "-days", "30", "-out", chain.path("low.crt"),
    ])
    let sign = [
      "smime", "-sign", "-binary", "-outform", "DER", "-signer", chain.path("low.crt"), "-inkey", chain.path("low.key"),
    ]
    let others = ["-certfile", try chain.bundle(["leaf", "middle", "root"], as: "others.pem")]
    // libcrypto checks all certificates that it finds above the signer, even if the signer itself is trusted.
    for (options, anchors) in [(others, []), ([], ["low"])] {
      let message = try SignedData(parsing: openssl.run(sign + options, input: [7]))
      for name in ["low", "leaf", "middle", "root"] {
        let certificate = try Certificate(parsing: chain.bytes("\(name).crt"))
        #expect(try message.descends(from: certificate) == anchors.contains(name), "\(name)")
      }
    }
  }

  /// Checking a signature takes time for each signer, and for each certificate of its chain.
  @Test func theNumberOfSignersAndCertificatesIsLimited() throws {
    let identity = try Self.identity()
    let der = try SignedData.sign(
      embedding: DER.element(DER.sequence, [5, 0]), type: "1.2.3.4", by: identity, signingTime: nil)
    func message(signers: Int, certificates: Int) -> [UInt8] {
      var tree = DERTree(parsing: der)
      let parts = tree.children[1].children[0].children
      let last = parts.count - 1
      func repeated(_ part: DERTree, _ count: Int) -> DERTree {
        DERTree(part.tag, [DERTree](repeating: part.children[0], count: count))
      }
      tree.children[1].children[0].children[last] = repeated(parts[last], signers)
      tree.children[1].children[0].children[last - 1] = repeated(parts[last - 1], certificates)
      return tree.bytes
    }
    let most = try SignedData(parsing: message(signers: 16, certificates: 100))
    #expect(most.signers.count == 16)
    #expect(try most.verifies([5, 0], trusting: identity.certificate))
    for (signers, certificates) in [(17, 1), (1500, 1), (1, 101), (1500, 95)] {
      let error = thrown(CryptoError.self) {
        try SignedData(parsing: message(signers: signers, certificates: certificates))
      }
      #expect(
        error?.kind == .malformed && error?.description.contains("at most") == true, "\(String(describing: error))")
    }
  }

  /// libcrypto takes 15 ms for a signature with an exponent of 3072 bits, and a second for a modulus of 16384 bits.
  @Test func certificatesThatTakeLongAreRejected() throws {
    let directory = try TemporaryDirectory()
    let openssl = ExternalTool("openssl")
    for (name, options, isAccepted) in [
      ("usual", ["-newkey", "rsa:2048"], true),
      // Several primes, since two of that size take half a minute to find.
      ("large", ["-newkey", "rsa:8200", "-pkeyopt", "rsa_keygen_primes:5"], false),
      (
        "exponent", ["-newkey", "rsa:1024", "-pkeyopt", "rsa_keygen_pubexp:0x1\(String(repeating: "0", count: 17))1"],
        false
      ),
      ("names", ["-newkey", "rsa:2048", "-addext", Self.constraints(60)], false),
      ("few-names", ["-newkey", "rsa:2048", "-addext", Self.constraints(5)], true),
    ] {
      let (key, certificate) = (directory.path(of: "\(name).key"), directory.path(of: "\(name).crt"))
      try openssl.run(
        ["req", "-x509", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=\(name)"] + options)
      let der = try openssl.run(
        ["smime", "-sign", "-binary", "-outform", "DER", "-signer", certificate, "-inkey", key], input: [7])
      let error = thrown(CryptoError.self) { try SignedData(parsing: der) }
      #expect((error == nil) == isAccepted, "\(name): \(String(describing: error))")
    }
  }

  private static func constraints(_ count: Int) -> String {
    "nameConstraints=" + (0..<count).map { "permitted;DNS:a\($0).b" }.joined(separator: ",")
  }

  /// A chain of 95 certificates with one key for all.
  @Test func longChainsAreFollowed() throws {
    let directory = try TemporaryDirectory()
    func path(_ name: String) -> String { directory.path(of: name) }
    let openssl = ExternalTool("openssl")
    try directory.write("ca.cnf", "basicConstraints=critical,CA:TRUE\n")
    try openssl.run([
      "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", path("key"), "-out", path("0.crt"), "-subj", "/CN=0",
    ])
    for number in 1..<95 {
      try openssl.run(["req", "-new", "-key", path("key"), "-out", path("csr"), "-subj", "/CN=\(number)"])
      try openssl.run([
        "x509", "-req", "-in", path("csr"), "-CA", path("\(number - 1).crt"), "-CAkey", path("key"), "-CAcreateserial",
        "-extfile", path("ca.cnf"), "-out", path("\(number).crt"),
      ])
    }
    let certificates = try (0..<95).map { try Certificate(parsing: directory.read("\($0).crt") ?? []) }
    try directory.write("all.pem", try (0..<94).reversed().flatMap { try directory.read("\($0).crt") ?? [] })
    let der = try openssl.run(
      [
        "smime", "-sign", "-binary", "-outform", "DER", "-signer", path("94.crt"), "-inkey", path("key"), "-certfile",
        path("all.pem"),
      ], input: [7])
    let message = try SignedData(parsing: der)
    #expect(message.signerChain == certificates.reversed())
    for number in [0, 1, 50, 94] { #expect(try message.verifies([7], trusting: certificates[number]), "\(number)") }
    #expect(try !message.descends(from: Self.identity("50").certificate))
  }

  @Test func theSameInputGivesTheSameBytes() throws {
    let identity = try Self.identity()
    let content = DER.element(DER.sequence, [5, 0])
    let one = try SignedData.sign(embedding: content, type: "1.2.3.4", by: identity, signingTime: nil)
    let other = try SignedData.sign(embedding: content, type: "1.2.3.4", by: identity, signingTime: nil)
    #expect(one == other)
  }

  @Test func truncatedOrChangedDataNeverVerifies() throws {
    let identity = try Self.identity()
    let inner: [UInt8] = [5, 0]
    let der = try SignedData.sign(
      embedding: DER.element(DER.sequence, inner), type: "1.2.3.4", by: identity, signingTime: nil)
    for count in der.indices {
      #expect(throws: CryptoError.self) { try SignedData(parsing: Array(der.prefix(count))) }
    }
    for index in der.indices {
      for change: UInt8 in [0x01, 0x80, 0xff] {
        var mutated = der
        mutated[index] ^= change
        guard let message = try? SignedData(parsing: mutated) else { continue }
        _ = try? message.verifies(inner)
        _ = try? message.anchor(among: [identity.certificate])
      }
    }
  }

  @Test func otherContentTypesAreRejected() throws {
    let data = DER.element(DER.sequence, DER.element(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1]))
    #expect(throws: CryptoError.self) { try SignedData(parsing: data) }
    let signedWithoutBody = DER.element(DER.sequence, DER.element(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]))
    #expect(throws: CryptoError.self) { try SignedData(parsing: signedWithoutBody) }
  }
}
