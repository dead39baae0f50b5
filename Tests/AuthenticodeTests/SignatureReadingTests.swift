// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Cryptography
import Messages
import PortableExecutable
import TestSupport
import Testing

@Suite struct SignatureReadingTests {
  typealias Bytes = CertificateTableBytes

  let key: SigningKey
  let stub: [UInt8]

  init() throws {
    key = try SigningKey()
    stub = try Fixture.stub257.bytes()
  }

  private func osslsigncode(_ options: [String], _ image: [UInt8]) throws -> [UInt8] {
    let (input, output) = (try ScratchFile(image, suffix: ".efi"), try ScratchFile(suffix: ".efi"))
    let (certificate, keyFile) = (try key.certificateFile(), try key.keyFile())
    try ExternalTool("rm").run([output.path])
    try ExternalTool("osslsigncode").run(
      ["sign", "-certs", certificate.path, "-key", keyFile.path] + options + ["-in", input.path, "-out", output.path])
    return try output.bytes()
  }

  /// A signature of the stub without the zeros that osslsigncode adds to make its size a multiple of 8.
  private func der(_ options: [String] = []) throws -> [UInt8] {
    DERTree(parsing: Bytes.firstSignature(of: try osslsigncode(options, stub))).bytes
  }

  private func signatures(_ image: [UInt8]) throws -> [ImageSignature] {
    try SignedImage(parsing: image).signatures(in: image)
  }

  /// pesign wrote 1.3.6.1.4.1.311.2.1.21 as the type of the signed data; sbverify and osslsigncode accept it.
  @Test(arguments: Fixture.signedFwupd) func debiansFwupdIsValid(name: String) throws {
    let path = Fixture.path(of: name)
    let bytes = try Fixture.bytes(of: name)
    let found = try #require(try signatures(bytes).first)
    #expect(found.verdict == .valid)
    #expect(found.signature?.firmwareAlgorithm == .sha256 && found.signature?.firmwareObstacle == nil)
    let report = try ExternalTool("osslsigncode").result(["verify", "-in", path]).text
    let digest = try SignedImage(parsing: bytes).digest(.sha256, of: bytes).hexadecimal.uppercased()
    #expect(report.contains("Calculated message digest : \(digest)"), "\(report)")
  }

  /// osslsigncode computes both digests and compares them.
  ///
  /// sbverify accepts SHA-256 only: it computes no other digest.
  @Test(arguments: ["md5", "sha1", "sha256", "sha384", "sha512"]) func allDigestsAreChecked(name: String) throws {
    let image = try osslsigncode(["-h", name], stub)
    let algorithm = try #require(DigestAlgorithm(rawValue: name))
    let found = try #require(try signatures(image).first)
    let signature = try #require(found.signature)
    #expect(found.verdict == .valid)
    #expect(signature.content.algorithm == algorithm)
    // EDK2 knows all of them but MD5.
    #expect(signature.firmwareAlgorithm == (name == "md5" ? nil : algorithm))
    #expect((signature.firmwareObstacle == nil) == (name != "md5"))
    let file = try ScratchFile(image, suffix: ".efi")
    let report = try ExternalTool("osslsigncode").result(["verify", "-in", file.path]).text
    let digest = try SignedImage(parsing: image).digest(algorithm, of: image)
    #expect(report.contains("Calculated message digest : \(digest.hexadecimal.uppercased())"), "\(report)")
    let certificate = try key.certificateFile()
    let sbverify = try ExternalTool("sbverify").result(["--cert", certificate.path, file.path])
    #expect((sbverify.status == 0) == (name == "sha256"))

    #expect(signature.matches(digest: digest))
    #expect(try signature.verifies(digest: digest, trusting: key.certificate))
    #expect(try !signature.verifies(digest: digest, trusting: SigningKey("other").certificate))
    var changed = image
    changed[image.count / 2] ^= 1
    #expect(try signatures(changed).map(\.verdict) == [.otherImage])
    // Shim compares every signature with the SHA-256 digest.
    let sha256 = try SignedImage(parsing: image).digest(.sha256, of: image)
    #expect(signature.matches(digest: sha256) == (name == "sha256"))
  }

  /// EDK2 compares the *last* bytes of the content, in the algorithm at byte 32, whatever the content says.
  @Test func firmwareComparesTheEndOfTheContent() throws {
    let entry = CertificateTable.Entry(data: Bytes.firstSignature(of: try osslsigncode(["-h", "sha384"], stub)))
    let signature = try AuthenticodeSignature(parsing: entry)
    let end = Array(signature.content.digest.suffix(32))
    #expect(signature.matches(digest: end))
    #expect(try signature.verifies(digest: end, trusting: key.certificate))
    #expect(!signature.matches(digest: []))
    #expect(!signature.matches(digest: [UInt8](repeating: 0, count: 4096)))
  }

  @Test func oneUnreadableEntryLeavesTheOthersReadable() throws {
    let good = try der()
    var broken = good
    broken[broken.count - 1] ^= 1
    let guid = CertificateTable.Entry.pkcs7.bytes
    let detached = try SignedData.sign(detached: [1], by: key.identity)
    let table: [[UInt8]] = [
      Bytes.entry([0x30, 0x82, 1, 2, 3]), Bytes.entry([9], type: 0x0001), Bytes.entry([], type: 0x0ef0),
      Bytes.entry(guid + good, type: 0x0ef1), Bytes.entry(detached), Bytes.entry(broken), Bytes.entry(good),
      Bytes.entry(good, revision: 0x100),
    ]
    let found = try signatures(Bytes.image(stub, table.flatMap { $0 }))
    let words = found.map { found in
      switch found.verdict {
      case .valid: "valid"
      case .otherImage: "other image"
      case .broken: "broken"
      case .unreadable: "unreadable"
      case .otherType: "other type"
      }
    }
    #expect(
      words == [
        "unreadable", "other type", "other type", "valid", "unreadable", "broken", "valid", "valid",
      ])
    #expect(found.map(\.isReadable) == [false, false, false, true, false, true, true, true])
    #expect(found.filter { $0.isValid(by: key.certificate) }.count == 3)
  }

  /// Firmware and osslsigncode's own report take the outer signature; the nested one is shown only.
  @Test func nestedSignaturesAreReadButDoNotCount() throws {
    let image = try osslsigncode(["-h", "sha384", "-nest"], try osslsigncode(["-h", "sha256"], stub))
    let signed = try SignedImage(parsing: image)
    let outer = try signed.signatures(in: image)
    #expect(outer.map(\.verdict) == [.valid])
    let signature = try #require(outer.first?.signature)
    let nested = try signed.signatures(nestedIn: signature, of: image)
    #expect(nested.map(\.verdict) == [.valid])
    #expect(nested.first?.signature?.content.algorithm == .sha384)
    #expect(nested.first?.signature?.nested.isEmpty == true)
    // A nested signature that cannot be read, and one over another image.
    let type: [UInt8] = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 4, 1]
    let plain = try der()
    for (value, isReadable) in [(DER.element(0x30, [5, 0]), false), (plain, true)] {
      let der = DERTree.adding(attribute: type, value, to: plain)
      let other = Bytes.image(try Fixture.stub252.bytes(), Bytes.entry(der))
      let signed = try SignedImage(parsing: other)
      let signature = try #require(try signed.signatures(in: other).first?.signature)
      let nested = try signed.signatures(nestedIn: signature, of: other)
      #expect(nested.map(\.isReadable) == [isReadable])
      #expect(nested.first?.verdict == .otherImage || !isReadable)
    }
  }

  /// What EDK2 requires at fixed places: PKCS#7 that is valid otherwise is read, but has an obstacle.
  @Test func firmwareNeedsTheUsualForm() throws {
    let der = try der()
    func read(_ der: [UInt8]) throws -> AuthenticodeSignature {
      try AuthenticodeSignature(parsing: CertificateTable.Entry(data: der))
    }
    #expect(try read(der).formObstacle == nil && read(der).hasFirmwareForm)
    // Three-byte lengths: EDK2 looks for two bits of the length's form, which this one has, but for the rest in vain.
    let content = Array(der[4...])
    let long = [0x30, 0x83, 0, UInt8(content.count >> 8), UInt8(content.count & 0xff)] + content
    #expect(try read(long).isIntact())
    #expect(try !read(long).hasFirmwareForm && read(long).firmwareAlgorithm == nil)
    #expect(try read(long).formObstacle != nil)
    // Two digest algorithms: EDK2 takes the first, even if the content has another one.
    var tree = DERTree(parsing: der)
    let sha1 = DERTree(0x30, [DERTree(parsing: DER.element(0x06, DigestAlgorithm.sha1.objectIdentifier))])
    tree.children[1].children[0].children[1].children.insert(sha1, at: 0)
    // The set has more than one element, so its own length is the same size as before.
    let first = try read(tree.bytes)
    #expect(first.firmwareAlgorithm == .sha1)
    #expect(first.formObstacle != nil)
  }

  @Test func aTruncatedSignatureIsUnreadable() throws {
    let der = try der()
    for count in 0..<der.count {
      let reading = AuthenticodeSignature.reading(CertificateTable.Entry(data: Array(der.prefix(count))))
      guard case .failure(let error) = reading else {
        Issue.record("\(count) bytes were read")
        continue
      }
      #expect(error.rule == .unreadable)
    }
  }
}

extension ImageSignature {
  fileprivate var isReadable: Bool { signature != nil }
}
