// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import TestSupport
import Testing

/// Keys that a passphrase protects, written here and read by openssl, and the other way round.
///
/// One test at a time: the cases of one test share their files.
@Suite(.serialized) struct ProtectedKeyTests {
  private let directory: TemporaryDirectory
  private func path(_ name: String) -> String { directory.path(of: name) }
  private func openssl(_ arguments: String...) throws -> String {
    String(decoding: try ExternalTool("openssl").run(arguments), as: UTF8.self)
  }

  private static let keys = Result {
    let directory = try TemporaryDirectory()
    try OpenSSL.makeKeys(in: directory)
    return directory
  }

  init() throws {
    directory = try TemporaryDirectory()
    for name in ["rsa.key", "rsa.crt"] { try directory.write(name, try Self.keys.get().read(name) ?? []) }
  }

  private func source(_ text: String?) -> PassphraseSource { PassphraseSource { text.map { Array($0.utf8) } } }
  private func key(_ name: String, _ passphrase: String? = nil) throws(CryptoError) -> PrivateKey {
    let bytes = (try? directory.read(name)) ?? []
    return try PrivateKey(parsing: bytes, passphrase: source(passphrase))
  }

  @Test(arguments: ["correct horse", "pässwörd mit Leerzeichen", String(repeating: "x", count: 1000)])
  func opensslOpensTheKey(_ passphrase: String) throws {
    let plain = try key("rsa.key")
    let pem = try plain.serializedPEM(encryptedWith: Array(passphrase.utf8))
    try directory.write("sealed.key", pem)
    try directory.write("passphrase", passphrase)
    #expect(String(decoding: pem, as: UTF8.self).hasPrefix("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"))
    let opened = try openssl("pkey", "-in", path("sealed.key"), "-passin", "file:" + path("passphrase"))
    #expect(try opened == openssl("pkey", "-in", path("rsa.key")))
    let structure = try openssl("asn1parse", "-in", path("sealed.key"))
    for part in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", ":0927C0"] {
      #expect(structure.contains(part), "\(part)")
    }
    let certificate = try CertificateFile(parsing: try directory.read("rsa.crt") ?? []).signer()
    #expect(try certificate.matches(key("sealed.key", passphrase)))
    #expect(thrown(CryptoError.self) { try key("sealed.key", "wrong") }?.kind == .passphrase)
    #expect(thrown(CryptoError.self) { try key("sealed.key") }?.kind == .passphrase)
  }

  @Test func eachKeyHasItsOwnSalt() throws {
    let plain = try key("rsa.key")
    let first = try plain.serializedPEM(encryptedWith: [1, 2, 3])
    #expect(try plain.serializedPEM(encryptedWith: [1, 2, 3]) != first)
  }

  // MARK: PKCS#12

  private func container(_ options: String..., passphrase: String = "secret") throws {
    try ExternalTool("openssl").run(
      [
        "pkcs12", "-export", "-in", path("rsa.crt"), "-inkey", path("rsa.key"), "-out", path("x.p12"), "-passout",
        "pass:" + passphrase,
      ] + options)
  }

  private func matches(_ key: PrivateKey) throws -> Bool {
    try CertificateFile(parsing: try directory.read("rsa.crt") ?? []).signer().matches(key)
  }

  @Test(arguments: ["secret", "pässwörd", ""]) func aContainerIsOpened(_ passphrase: String) throws {
    try container(passphrase: passphrase)
    #expect(try matches(key("x.p12", passphrase)))
    if passphrase.isEmpty { #expect(try matches(key("x.p12"))) }
  }

  @Test func aWrongPassphraseOfAContainerIsReported() throws {
    try container()
    for passphrase in [nil, "", "wrong", "secret\0"] {
      let error = thrown(CryptoError.self) { try key("x.p12", passphrase) }
      #expect(error?.kind == .passphrase && error?.reasons.count == 1)
    }
  }

  @Test func aContainerOfOldAlgorithmsIsOneSentence() throws {
    try container("-legacy")
    let error = thrown(CryptoError.self) { try key("x.p12", "secret") }
    #expect(error?.kind == .legacyContainer && error?.reasons.count == 1)
    #expect(error?.message.contains("supports only with its legacy provider") == true)
    #expect(error?.hint?.contains("openssl pkcs12 -legacy -in FILE") == true)
    #expect(thrown(CryptoError.self) { try key("x.p12", "wrong") }?.kind == .passphrase)
  }

  @Test func aContainerWithoutAKeyIsReported() throws {
    try container("-nokeys")
    let error = thrown(CryptoError.self) { try key("x.p12", "secret") }
    #expect(error?.kind == .keyFile && error?.message.contains("without a private key") == true)
  }

  @Test func damagedContainersNeverCrash() throws {
    try container()
    let good = try #require(try directory.read("x.p12"))
    for bytes in Mutations(of: good, count: 60)
      + stride(from: 0, to: good.count, by: 97).map({ Array(good.prefix($0)) })
    {
      do {
        #expect(try matches(try PrivateKey(parsing: bytes, passphrase: source("secret"))))
      } catch let error as CryptoError {
        #expect(error.reasons.count == 1)
      }
    }
  }
}
