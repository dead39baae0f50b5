// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Cryptography
import PortableExecutable
import TestSupport
import Testing

@Suite struct ImageDigestTests {
  @Test(arguments: Fixture.allCases) func digestMatchesPesign(_ fixture: Fixture) throws {
    let bytes = try fixture.bytes()
    let digest = try ImageDigest.compute(of: bytes, header: try PEHeader(parsing: bytes), as: .signing)
    // `hash: 0123…`, or only the digest in newer versions.
    let words = String(decoding: try ExternalTool("pesign").run(["-h", "-P", "-i", fixture.path]), as: UTF8.self)
      .split(whereSeparator: \.isWhitespace)
    #expect(words.contains { $0 == digest.hexadecimal }, "\(words)")
  }

  @Test(arguments: Fixture.kernels) func debiansKernelSignatureIsValid(_ fixture: Fixture) throws {
    let bytes = try fixture.bytes()
    let signatures = try SignedImage(parsing: bytes).signatures(in: bytes)
    #expect(signatures.map(\.verdict) == [.valid])
    let subject = try #require(signatures.first?.signature?.message.signers.first).subject
    let listing = String(decoding: try ExternalTool("sbverify").run(["--list", fixture.path]), as: UTF8.self)
    let name = try #require(subject.split(separator: "CN = ").last)
    #expect(listing.contains("CN=\(name)"), "\(subject) in \(listing)")
  }
}
