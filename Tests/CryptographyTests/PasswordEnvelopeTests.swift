// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import TestSupport
import Testing

@Suite struct PasswordEnvelopeTests {
  private static let content = Array(repeating: Array("a secret\n".utf8), count: 500).flatMap { $0 }
  private static let passphrase = Array("correct horse".utf8)
  private let scratch: TemporaryDirectory

  init() throws { scratch = try TemporaryDirectory() }

  /// A message by openssl with few iterations.
  private func theirs(_ options: [String] = []) throws -> [UInt8] {
    try scratch.write("content", Self.content)
    return try ExternalTool("openssl").run(
      ["cms", "-encrypt", "-binary", "-in", scratch.path(of: "content"), "-outform", "DER", "-aes-256-cbc"] + options
        + ["-pwri_password", "correct horse"])
  }

  @Test func opensslOpensIt() throws {
    let sealed = try PasswordEnvelope.seal(Self.content, passphrase: Self.passphrase)
    try scratch.write("sealed", sealed)
    let options = ["cms", "-decrypt", "-inform", "DER", "-in", scratch.path(of: "sealed"), "-pwri_password"]
    #expect(try ExternalTool("openssl").run(options + ["correct horse"]) == Self.content)
    #expect(try ExternalTool("openssl").result(options + ["wrong horse"]).status != 0)
    #expect(try PasswordEnvelope.open(sealed, passphrase: Self.passphrase) == Self.content)
    let parsed = try ExternalTool("openssl").result([
      "asn1parse", "-inform", "DER", "-in", scratch.path(of: "sealed"),
    ]).text
    // 1,300,000 iterations.
    #expect(parsed.contains("INTEGER           :13D620"))
    #expect(parsed.contains(":aes-256-cbc"))
    #expect(!sealed.contains(Array("a secret".utf8)))
  }

  @Test func messagesByOpensslAreRead() throws {
    #expect(try PasswordEnvelope.open(theirs(), passphrase: Self.passphrase) == Self.content)
  }

  @Test func twoMessagesDiffer() throws {
    let first = try PasswordEnvelope.seal([1], passphrase: Self.passphrase)
    #expect(try PasswordEnvelope.seal([1], passphrase: Self.passphrase) != first)
  }

  @Test func aWrongPassphraseIsTold() throws {
    let sealed = try theirs()
    for wrong in [[], Array("correct hors".utf8), Array("correct horse ".utf8)] as [[UInt8]] {
      #expect(thrown(CryptoError.self) { try PasswordEnvelope.open(sealed, passphrase: wrong) }?.kind == .passphrase)
    }
  }

  @Test func damagedMessagesAreRejected() throws {
    let sealed = try theirs()
    for count in [0, 1, 20, 60, sealed.count - 1] {
      let error = thrown(CryptoError.self) {
        try PasswordEnvelope.open(Array(sealed.prefix(count)), passphrase: Self.passphrase)
      }
      #expect(error?.kind == .malformed, "\(count) bytes")
    }
    for bytes in Mutations(of: sealed, count: 300) {
      // Other content is no error here: the caller has digests.
      _ = try? PasswordEnvelope.open(bytes, passphrase: Self.passphrase)
    }
  }

  /// Two billion iterations would take half an hour.
  @Test func endlessIterationsAreRejected() throws {
    let sealed = try theirs()
    // 2048 iterations as an INTEGER.
    let start = try #require(sealed.firstRange(of: [0x02, 0x02, 0x08, 0x00]))
    var bomb = sealed
    bomb.replaceSubrange(start, with: [0x02, 0x02, 0x7f, 0xff])
    #expect(
      thrown(CryptoError.self) { try PasswordEnvelope.open(bomb, passphrase: Self.passphrase) }?.kind == .passphrase)
    let grown = try PasswordEnvelope.seal([1], passphrase: Self.passphrase)
    let iterations = try #require(grown.firstRange(of: [0x02, 0x03, 0x13, 0xd6, 0x20]))
    bomb = grown
    bomb.replaceSubrange(iterations, with: [0x02, 0x03, 0x7f, 0xff, 0xff])
    #expect(
      thrown(CryptoError.self) { try PasswordEnvelope.open(bomb, passphrase: Self.passphrase) }?.kind == .malformed)
  }

  @Test func aMessageForACertificateIsRejected() throws {
    try OpenSSL.makeKeys(in: scratch)
    try scratch.write("content", Self.content)
    let other = try ExternalTool("openssl").run([
      "cms", "-encrypt", "-binary", "-in", scratch.path(of: "content"), "-outform", "DER", scratch.path(of: "rsa.crt"),
    ])
    #expect(
      thrown(CryptoError.self) { try PasswordEnvelope.open(other, passphrase: Self.passphrase) }?.kind == .malformed)
  }
}
