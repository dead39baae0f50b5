// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import Messages
import TestSupport
import Testing

/// An image with two profiles (UAPI.5), put together by objcopy.
@Suite struct InspectImageTests {
  let directory: TemporaryDirectory
  let image: String

  init() throws {
    directory = try TemporaryDirectory()
    image = directory.path(of: "image.efi")
    // objcopy makes no second section of a name; each name gets its last letter afterwards.
    let sections = [
      (".cmdlin0", "base"), (".unam0", "6.1"), (".profil0", "ID=main"), (".profil1", "ID=rescue"),
      (".cmdlin1", "rescue"), (".profil2", "ID=bare"),
    ]
    var arguments: [String] = []
    for (index, (name, text)) in sections.enumerated() {
      try directory.write(name, text)
      let address = 0x1_4e00_0000 + index << 12
      arguments += [
        "--add-section", "\(name)=\(directory.path(of: name))", "--set-section-flags", "\(name)=data,readonly",
        "--change-section-vma", "\(name)=\(address)",
      ]
    }
    try ExternalTool("objcopy").run(arguments + [Fixture.stub257.path, image])
    var bytes = try directory.read("image.efi") ?? []
    for (name, _) in sections {
      let start = try #require(bytes.indices.first { bytes[$0...].starts(with: name.utf8) })
      bytes[start + name.utf8.count - 1] = UInt8(ascii: "e")
    }
    try directory.write("image.efi", bytes)
  }

  private func extract(_ name: String, profile: Int? = nil) throws -> (text: String, count: Int) {
    var bytes: [UInt8] = []
    let count = try InspectImage(path: image).extract(name, profile: profile, on: directory.host()) { bytes += $0 }
    return (String(decoding: bytes.filter { $0 != 0 }, as: UTF8.self), count)
  }

  @Test func sectionsOfAllProfilesAreShown() throws {
    let report = try InspectImage(path: image).run(on: directory.host())
    #expect(report.sections.filter { $0.name == ".cmdline" }.map(\.text) == ["base", "rescue"])
    #expect(try extract(".cmdline") == ("baserescue", 2))
    #expect(try extract(".uname") == ("6.1", 1))
  }

  /// What each signature is, and why firmware ignores it.
  @Test func signaturesOfAllKindsAreReported() throws {
    typealias Bytes = CertificateTableBytes
    try OpenSSL.makeKeys(in: directory)
    let signed = directory.path(of: "signed.efi")
    func sign(_ options: [String], _ input: String) throws {
      try ExternalTool("rm").run(["-f", signed])
      try ExternalTool("osslsigncode").run(
        [
          "sign", "-certs", directory.path(of: "rsa.crt"), "-key", directory.path(of: "rsa.key"), "-in", input, "-out",
          signed,
        ] + options)
    }
    try sign(["-h", "md5"], Fixture.stub257.path)
    let md5 = Bytes.firstSignature(of: try directory.read("signed.efi") ?? [])
    try sign(["-h", "sha256"], Fixture.stub257.path)
    try ExternalTool("mv").run([signed, image])
    try sign(["-h", "sha512", "-nest"], image)
    let nested = Bytes.firstSignature(of: try directory.read("signed.efi") ?? [])
    let table = [
      Bytes.entry(md5), Bytes.entry(nested), Bytes.entry([1], type: 1), Bytes.entry([0x30, 0]),
      Bytes.entry(nested, padded: false),
    ]
    try directory.write("image.efi", Bytes.image(try Fixture.stub257.bytes(), table.flatMap { $0 } + [0]))
    let report = try InspectImage(path: image).run(on: directory.host())
    let signatures = report.signatures
    #expect(signatures.map(\.verdict).prefix(4) == [.valid, .valid, .otherType, .unreadable])
    #expect(signatures.map(\.digestAlgorithm).prefix(4) == ["md5", "sha256", nil, nil])
    #expect(signatures[0].reason?.contains("MD5") == true && signatures[1].reason == nil)
    #expect(signatures[2].reason?.contains("0x1") == true && signatures[3].reason != nil)
    #expect(signatures[1].nested.map(\.digestAlgorithm) == ["sha512"])
    #expect(signatures[1].nested.map(\.verdict) == [.valid])
    #expect(report.certificateTableDefect != nil)
  }

  @Test(arguments: Fixture.signedFwupd) func debiansFwupdIsReported(name: String) throws {
    let report = try InspectImage(path: Fixture.path(of: name)).run(on: directory.host())
    #expect(report.signatures.map(\.verdict) == [.valid])
    #expect(report.signatures.first?.subject == "CN = Debian Secure Boot Signer 2022 - fwupd")
    #expect(report.certificateTableDefect == nil)
  }

  @Test func aTimestampIsReported() throws {
    typealias Bytes = CertificateTableBytes
    let authority = try TimestampAuthority()
    try OpenSSL.makeKeys(in: directory)
    try ExternalTool("sbsign").run([
      "--key", directory.path(of: "rsa.key"), "--cert", directory.path(of: "rsa.crt"), "--output", image,
      Fixture.stub257.path,
    ])
    let signature = Bytes.firstSignature(of: try directory.read("image.efi") ?? [])
    let value = DERTree(parsing: signature).children[1].children[0].children.last?.children[0].children.last?.contents
    let token = try authority.token(over: try #require(value), digest: "sha256")
    let stamped = DERTree.adding(attribute: [0x2b, 6, 1, 4, 1, 0x82, 0x37, 3, 3, 1], token, to: signature)
    try directory.write("image.efi", Bytes.image(try Fixture.stub257.bytes(), Bytes.entry(stamped)))
    let found = try #require(try InspectImage(path: image).run(on: directory.host()).signatures.first)
    #expect(found.verdict == .valid && found.timestampSigner == "CN = stamps")
    let time = try #require(try authority.time(of: token))
    let date = try ExternalTool("date").run(["-u", "-d", "@\(time)", "+%Y-%m-%d %H:%M:%S UTC"])
    #expect(found.timestamp == String(decoding: date.dropLast(), as: UTF8.self))
  }

  /// The stub takes a section of the profile, else that of the base.
  @Test(arguments: [(0, "base"), (1, "rescue"), (2, "base")]) func aProfileCanBeChosen(profile: Int, line: String)
    throws
  {
    #expect(try extract(".cmdline", profile: profile) == (line, 1))
    #expect(try extract(".uname", profile: profile) == ("6.1", 1))
    #expect(try extract(".profile", profile: profile).text == ["ID=main", "ID=rescue", "ID=bare"][profile])
  }

  @Test(arguments: [-1, 3, .max]) func aMissingProfileIsNamed(profile: Int) throws {
    let failure = thrown(Failure.self) { try extract(".cmdline", profile: profile) }
    #expect(failure?.description.contains("no profile \(profile)") == true && failure?.hint?.contains("3") == true)
  }

  @Test func anImageWithoutProfilesHasTheBaseOnly() throws {
    let inspect = InspectImage(path: Fixture.stub257.path)
    #expect(try inspect.extract(".sbat", profile: 0, on: directory.host()) { _ in } == 1)
    #expect(throws: Failure.self) { try inspect.extract(".sbat", profile: 1, on: directory.host()) { _ in } }
    let missing = thrown(Failure.self) { try inspect.extract(".cmdline", on: directory.host()) { _ in } }
    #expect(missing?.hint?.contains(".sbat") == true)
  }
}
