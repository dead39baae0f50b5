// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import Messages
import ModuleSignature
import TestSupport
import Testing

@Suite struct ModuleSignerTests {
  @Test(arguments: [DigestAlgorithm.sha256, .sha384, .sha512])
  func signatureMatchesOpenSSL(_ algorithm: DigestAlgorithm) throws {
    let content = Array("what a module holds".utf8)
    let signingKey = try SigningKey()
    let (key, certificate) = (try signingKey.keyFile(), try signingKey.certificateFile())
    // The openssl command that corresponds to scripts/sign-file's calls of libcrypto.
    let expected = try ExternalTool("openssl").run(
      [
        "cms", "-sign", "-binary", "-noattr", "-nocerts", "-nosmimecap", "-md", algorithm.rawValue, "-outform", "DER",
        "-signer", certificate.path, "-inkey", key.path,
      ], input: content)
    let signer = ModuleSigner(identity: signingKey.identity, algorithm: algorithm)
    #expect(try signer.signature(ofContentWith: Digest.of(content, algorithm)) == expected)
  }

  @Test func trailerIsReadBack() throws {
    let content = [UInt8](repeating: 7, count: 1000)
    let signingKey = try SigningKey()
    let digest = try Digest.of(content, .sha512)
    let signature = try ModuleSigner(identity: signingKey.identity, algorithm: .sha512).signature(ofContentWith: digest)
    let module = content + (try ModuleTrailer.bytes(for: signature))
    let trailer = try #require(try ModuleTrailer(tail: module, ofModuleWith: module.count))
    #expect(trailer.contentCount == content.count)
    #expect(trailer.signature == signature)
    let signed = try SignedModule(trailer)
    #expect(signed.algorithm == .sha512)
    #expect(try signed.signer(ofContentWith: digest, among: [signingKey.certificate]) == signingKey.certificate)
  }

  @Test func anOversizedSignatureIsRejected() throws {
    let limit = ModuleTrailer.sizeLimit - 40
    #expect(throws: ParseError.self) { try ModuleTrailer.bytes(for: [UInt8](repeating: 0, count: limit + 1)) }
    #expect(try ModuleTrailer.bytes(for: [UInt8](repeating: 0, count: limit)).count == ModuleTrailer.sizeLimit)
  }

  @Test func aDigestOfTheWrongSizeIsRejected() throws {
    let signer = ModuleSigner(identity: try SigningKey().identity, algorithm: .sha256)
    let error = thrown(CryptoError.self) { try signer.signature(ofContentWith: [1, 2, 3]) }
    #expect(error?.kind == .malformed)
  }
}
