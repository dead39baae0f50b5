// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import Messages
import TestSupport
import Testing

/// Files made by openssl: a root, an intermediate and a leaf.
@Suite struct CertificateFileTests {
  let chain: CertificateChain
  init() throws { chain = try CertificateChain() }

  private func file(_ names: String...) throws -> [UInt8] { try names.flatMap { try chain.bytes("\($0).crt") } }

  @Test(arguments: [
    ["leaf", "middle", "root"], ["root", "middle", "leaf"], ["middle", "leaf"], ["leaf", "leaf", "middle"], ["leaf"],
  ])
  func theSignerIsFoundWhateverTheOrder(_ names: [String]) throws {
    let file = try CertificateFile(parsing: names.flatMap { try chain.bytes("\($0).crt") })
    let signer = try file.signer()
    #expect(signer.subject == "CN = leaf")
    #expect(Set(signer.issuers.map(\.subject)) == Set(names).subtracting(["leaf"]).map { "CN = \($0)" }.asSet)
  }

  @Test func keysAndTextBetweenCertificatesAreSkipped() throws {
    let text = Array("a comment\n".utf8)
    let bytes = try text + chain.bytes("leaf.key") + chain.bytes("leaf.crt") + text + chain.bytes("middle.crt")
    #expect(try CertificateFile(parsing: bytes).certificates.map(\.subject) == ["CN = leaf", "CN = middle"])
    #expect(try CertificateFile(parsing: chain.bytes("leaf.der")).certificates.count == 1)
  }

  /// A certificate that has nothing to do with the signer must not get into signatures, or be dropped in silence.
  @Test func othersThanAChainAreRefused() throws {
    for names in [["leaf", "root"], ["leaf", "other"], ["leaf", "middle", "root", "other"]] {
      let file = try CertificateFile(parsing: names.flatMap { try chain.bytes("\($0).crt") })
      let error = thrown(CryptoError.self) { try file.signer() }
      #expect(error?.kind == .certificateFile && error?.reasons.count == 1 && error?.hint != nil, "\(names)")
    }
  }

  @Test func anythingElseIsOneSentenceAndAHint() throws {
    let leaf = try chain.bytes("leaf.crt")
    let damaged = try leaf + chain.bytes("middle.crt").prefix(400)
    for bytes in try [
      [], Array("x".utf8), chain.bytes("leaf.key"), chain.bytes("leaf.p12"), Array(leaf.prefix(200)), damaged,
      chain.bytes("leaf.der") + [0], chain.bytes("leaf.der") + chain.bytes("leaf.der"), chain.bytes("leaf.p7b"),
      leaf + Array("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".utf8),
    ] {
      let error = thrown(CryptoError.self) { try CertificateFile(parsing: bytes) }
      #expect(error?.kind == .certificateFile && error?.reasons.count == 1 && error?.hint != nil)
      #expect(error?.description.contains("routines") == false, "\(String(describing: error))")
    }
  }

  @Test func damagedFilesNeverCrash() throws {
    for bytes in try Mutations(of: chain.bytes("leaf.crt") + chain.bytes("middle.crt"), count: 500) {
      _ = try? CertificateFile(parsing: bytes).signer()
    }
  }

  // MARK: Keys

  @Test(arguments: ["leaf.key", "leaf-traditional.key", "leaf-key.der", "leaf-traditional.der"])
  func plainKeysAreRead(_ name: String) throws {
    let key = try PrivateKey(parsing: chain.bytes(name), passphrase: .none)
    #expect(try CertificateFile(parsing: file("leaf")).signer().matches(key))
  }

  @Test(arguments: ["leaf-locked.key", "leaf-locked.der", "leaf.p12"]) func encryptedKeysNeedTheirPassphrase(
    _ name: String
  ) throws {
    let bytes = try chain.bytes(name)
    let right = PassphraseSource { Array("secret".utf8) }
    #expect(throws: Never.self) { try PrivateKey(parsing: bytes, passphrase: right) }
    for source in [PassphraseSource.none, PassphraseSource { Array("wrong".utf8) }] {
      let error = thrown(CryptoError.self) { try PrivateKey(parsing: bytes, passphrase: source) }
      #expect(error?.kind == .passphrase && error?.reasons.count == 1)
      #expect(error?.hint?.contains("--passphrase-file") == true)
    }
  }

  @Test func otherKeyFilesAreOneSentenceAndAHint() throws {
    for bytes in try [
      [], Array("x".utf8), [0x30], chain.bytes("leaf.crt"), chain.bytes("leaf.der"), chain.bytes("leaf.pub"),
      Array(chain.bytes("leaf.key").prefix(300)), Array(chain.bytes("leaf-key.der").prefix(300)),
    ] {
      let error = thrown(CryptoError.self) { try PrivateKey(parsing: bytes, passphrase: .none) }
      #expect(error?.kind == .keyFile && error?.reasons.count == 1 && error?.hint?.contains("openssl pkey") == true)
    }
  }
}

extension Sequence where Element: Hashable {
  fileprivate var asSet: Set<Element> { Set(self) }
}
