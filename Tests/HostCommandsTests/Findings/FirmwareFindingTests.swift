// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Findings
import HostCommands
import HostSystem
import KeyEnrolment
internal import Messages
import SigningKeys
import TestSupport
import Testing

/// Findings about the keys in the firmware.
@Suite struct FirmwareFindingTests {
  private let scene: MachineScene
  init() throws { scene = try MachineScene() }

  @Test(arguments: ["/CN=DO NOT TRUST - AMI Test PK", "/O=Vendor/CN=DO NOT SHIP - PK"])
  func aTestKeyIsRecognizedByItsName(subject: String) throws {
    try scene.put(.platformKey, certificates: [scene.certificate(subject)])
    let finding = try #require(try scene.findings(.platformKeyLeaked).first)
    #expect(finding.severity == .attention && finding.message.contains("PK contains the test key"))
    #expect(finding.actions.first?.text.contains("pve-sb-uki keys create") == true)
    try KeysFixture.install(in: scene.root)
    #expect(try scene.findings(.platformKeyLeaked).first?.actions.first?.text.contains("enroll --firmware") == true)
  }

  /// Debian's ovmf has a variable store with a platform key whose private key it ships as well.
  @Test func theKeyOfDebiansOVMFIsRecognizedByItsDigest() throws {
    try scene.useFirmware("OVMF_VARS_4M.snakeoil.fd")
    let findings = try scene.findings(.platformKeyLeaked)
    let text = try ExternalTool("openssl").result([
      "x509", "-in", "/usr/share/ovmf/PkKek-1-snakeoil.pem", "-noout", "-fingerprint", "-sha256",
    ]).text
    let digest = text.split(separator: "=").last?.filter { $0.isHexDigit }.lowercased()
    // It is also in db of some versions.
    #expect(findings.prefix(2).map { $0.arguments.first?.value } == ["PK", "KEK"])
    for finding in findings {
      #expect(finding.arguments.first { $0.name == "sha256" }?.value == JSONValue(digest))
    }
  }

  @Test func aTestKeyInAnotherListIsReported() throws {
    let key = try scene.certificate("/CN=DO NOT TRUST - Lost")
    try scene.put(.keyExchangeKey, certificates: [key])
    try scene.put(.signatureDatabase, certificates: [scene.certificate("/CN=Other"), key])
    #expect(try scene.findings(.platformKeyLeaked).map { $0.arguments.first?.value } == ["KEK", "db"])
  }

  @Test func otherPlatformKeysAreNotReported() throws {
    try scene.put(.platformKey, certificates: [scene.certificate("/CN=Vendor PK, TRUST IT")])
    #expect(try scene.findings(.platformKeyLeaked).isEmpty)
    try scene.put(.platformKey, [1, 2, 3])
    #expect(try scene.findings(.platformKeyLeaked).isEmpty)
  }

  /// Debian's ovmf has Microsoft's certificates of 2011 only.
  @Test func microsoftsOldCertificatesAreReportedForDbAndKEK() throws {
    try scene.useFirmware("OVMF_VARS_4M.ms.fd")
    let findings = try scene.findings(.vendorCertificatesOld)
    #expect(findings.map { $0.arguments.first?.value } == ["db", "KEK"])
    #expect(findings.allSatisfy { $0.severity == .note })
  }

  @Test func newCertificatesBesideOldOnesAreFine() throws {
    let old = try ["Microsoft Corporation UEFI CA 2011", "Microsoft Corporation KEK CA 2011"].map {
      try scene.certificate("/CN=\($0)")
    }
    try scene.put(.signatureDatabase, certificates: [old[0], scene.certificate("/CN=Microsoft UEFI CA 2023")])
    try scene.put(.keyExchangeKey, certificates: [old[1]])
    #expect(try scene.findings(.vendorCertificatesOld).map { $0.arguments.first?.value } == ["KEK"])
    let new = try scene.certificate("/CN=Microsoft Corporation KEK 2K CA 2023")
    try scene.put(.keyExchangeKey, certificates: [old[1], new])
    #expect(try scene.findings(.vendorCertificatesOld).isEmpty)
  }

  @Test func anOwnersListsAreNotOld() throws {
    try scene.enrolOwnKeys()
    #expect(try scene.findings(.vendorCertificatesOld).isEmpty && scene.findings(.platformKeyLeaked).isEmpty)
  }

  /// The list cannot be judged, but all other findings are there.
  @Test func anUnreadableVariableHidesNothingElse() throws {
    try scene.installPackages("systemd-boot", "systemd-boot-tools")
    try scene.root.write("\(EFIVariableStore.directory)/\(EFIVariableName.signatureDatabase.fileName)", "")
    let found = MachineFindings.collect(on: try scene.host(), scene.context)
    #expect(found.contains { $0.kind == .loaderPackageInterferes })
    #expect(found.contains { $0.kind == .remark && $0.message.contains("the keys in the firmware") })
  }

  @Test func aDamagedListIsNoCrash() throws {
    let certificate = try scene.certificate("/CN=DO NOT TRUST - AMI Test PK")
    let list = SignatureDatabase(certificates: [certificate], owner: MachineScene.guid).serialize()
    for bytes in Mutations(of: list, count: 100) {
      try scene.put(.platformKey, bytes)
      try scene.put(.signatureDatabase, bytes)
      _ = MachineFindings.collect(on: try scene.host(), scene.context)
    }
  }
}

/// Certificates that expire, and clocks.
@Suite struct CertificateTermTests {
  /// 2030-01-01 00:00 UTC, when the certificate made by openssl expires.
  private static let end: Int64 = 1_893_456_000
  private static let day: Int64 = 86_400
  private var scene: MachineScene

  init() throws {
    scene = try MachineScene()
    let keys = try TemporaryDirectory()
    try OpenSSL.makeKeys(in: keys)
    scene.context.certificate = try Certificate(parsing: keys.read("rsa.crt") ?? [])
  }

  private func kinds(at time: Int64, built: Int64? = nil) throws -> [FindingKind] {
    var host = try scene.host(at: time)
    host.programTime = built
    return MachineFindings.collect(on: host, scene.context).map(\.kind)
  }

  @Test func aCertificateIsReportedAYearBeforeItsEnd() throws {
    #expect(try kinds(at: Self.end - 366 * Self.day) == [])
    #expect(try kinds(at: Self.end - 364 * Self.day) == [.certificateExpiring])
    #expect(try kinds(at: Self.end) == [.certificateExpiring])
    #expect(try kinds(at: Self.end + 1) == [.certificateExpired])
  }

  /// `apply` keeps the UKIs that this machine starts until the new certificate is enrolled.
  @Test func theCommandReplacesAnExpiredCertificateOfThePackage() throws {
    let finding = try #require(try scene.findings(.certificateExpired, at: Self.end + 1).first)
    #expect(finding.message.contains("expired on 2030-01-01 00:00:00 UTC") && finding.severity == .attention)
    let keys = scene.root.path(of: "etc/pve-sb-uki/keys")
    #expect(finding.command?.description == "mv \(keys) \(keys)-2030 && pve-sb-uki keys create")
  }

  @Test func aCertificateOfAnotherKeyIsKept() throws {
    var scene = scene
    scene.context.configuration.certificate = "/root/other.crt"
    let finding = try #require(try scene.findings(.certificateExpired, at: Self.end + 1).first)
    #expect(finding.command == nil && finding.actions.first?.text.contains("keep the keys") == true)
  }

  @Test func aWrongClockSilencesExpiry() throws {
    let built = Self.end - 100 * Self.day
    #expect(try kinds(at: 0, built: built) == [.clockWrong])
    #expect(try kinds(at: 4_102_444_800, built: built) == [.clockWrong])
    #expect(try kinds(at: Self.end + Self.day, built: built) == [.certificateExpired])
    // Before the start of the validity, without a date of this program.
    #expect(try kinds(at: 1_700_000_000) == [.clockWrong])
  }

  @Test func theKeysOfTheStoreHaveTerms() throws {
    try KeysFixture.install(in: scene.root)
    let host = try scene.host()
    let terms = CertificateTerms.terms(scene.context, on: host)
    #expect(terms.map(\.name) == ["signing", "PK", "KEK"] && terms.first?.end == Self.end)
    let text = try ExternalTool("openssl").result([
      "x509", "-noout", "-enddate", "-in", scene.root.path(of: "\(KeysCreateTests.directory)/PK.crt"),
    ]).text
    let date = try ExternalTool("date").result([
      "-u", "+%s", "-d", text.split(separator: "=").last.map(String.init) ?? "",
    ]).text
    #expect(Int64(date.dropLast()) == terms[1].end)
  }
}

/// A program that the firmware should have rejected.
@Suite struct BootedProgramTests {
  private static let path = "boot/efi/EFI/Linux/own.efi"
  private var scene: MachineScene

  init() throws {
    scene = try MachineScene()
    try scene.addESP()
    try scene.setSecureBoot(true)
    try scene.put(.signatureDatabase, certificates: [scene.certificate("/CN=Another Owner")])
    try scene.put(.loaderImageIdentifier, text: "\\EFI\\Linux\\own.efi")
    try scene.put(.loaderDevicePartition, text: "\(MachineScene.guid)")
    try scene.root.write(Self.path, Fixture.stub257.bytes())
    try boot(at: 4_000_000_000)
  }

  private func boot(at time: Int64) throws { try scene.root.write("proc/stat", "cpu 0\nbtime \(time)\n") }

  private func isReported() throws -> Bool { try !scene.findings(.firmwareAcceptsAnything).isEmpty }

  @Test func anUnsignedProgramIsProof() throws {
    let finding = try #require(try scene.findings(.firmwareAcceptsAnything).first)
    #expect(finding.message.contains("EFI/Linux/own.efi on /boot/efi") && finding.severity == .attention)
  }

  @Test func theUKIThatALoaderStartedIsProofToo() throws {
    try scene.put(.loaderImageIdentifier, text: "\\EFI\\systemd\\other.efi")
    try scene.put(.stubImageIdentifier, text: "\\EFI\\Linux\\own.efi")
    try scene.put(.stubDevicePartition, text: "\(MachineScene.guid)")
    #expect(try isReported())
  }

  @Test func withoutSecureBootThereIsNoProof() throws {
    try scene.setSecureBoot(false)
    #expect(try !isReported())
    try scene.setSecureBoot(true)
    try scene.put(.setupMode, [1])
    #expect(try !isReported())
  }

  @Test func aSignedProgramIsNoProof() throws {
    let key = try SigningKey()
    let (keyFile, certificateFile) = (try key.keyFile(), try key.certificateFile())
    try ExternalTool("sbsign").run([
      "--key", keyFile.path, "--cert", certificateFile.path, "--output", scene.root.path(of: Self.path),
      Fixture.stub257.path,
    ])
    #expect(try !isReported())
  }

  @Test func aProgramWhoseDigestIsInDbIsNoProof() throws {
    let text = try ExternalTool("pesign").result(["-h", "-d", "sha256", "-i", Fixture.stub257.path]).text
    let word = text.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
    let digest = try #require([UInt8](hexadecimal: word))
    let list = SignatureList(type: .sha256, signature: .init(owner: MachineScene.guid, data: digest))
    try scene.put(.signatureDatabase, SignatureDatabase(lists: [list]).serialize())
    #expect(try !isReported())
  }

  @Test func shimWithoutChecksIsNoProof() throws {
    try scene.put(.shimValidationDisabled, [1])
    #expect(try !isReported())
  }

  @Test func aProgramOfAnotherPartitionOrTimeIsNoProof() throws {
    try boot(at: 1_700_000_000)
    #expect(try !isReported())
    try boot(at: 4_000_000_000)
    try scene.put(.loaderDevicePartition, text: "\(GUID(1, 2, 3, 4))")
    #expect(try !isReported())
  }

  @Test(arguments: [
    "\\..\\..\\etc\\passwd", "", "\\", "\\EFI\\Linux\\..\\own.efi", String(repeating: "\\a", count: 5000),
    "\\EFI\\Linux", "\u{fffd}\u{1}",
  ])
  func aHostilePathIsNoProof(path: String) throws {
    try scene.put(.loaderImageIdentifier, text: path)
    #expect(try !isReported())
    try scene.put(.loaderImageIdentifier, [0x00, 0xd8, 0x41])
    #expect(try !isReported())
  }
}

/// Room in the firmware's variable store.
@Suite struct VariableRoomTests {
  private let scene: MachineScene
  init() throws { scene = try MachineScene() }

  /// Only efivarfs says how much room the firmware has.
  @Test func aPlainDirectoryHasNoRoom() throws {
    try scene.setSecureBoot(true)
    #expect(try EFIVariableStore(of: scene.host().files).room() == nil)
    #expect(try EFIVariableStore(of: MachineScene().host().files).room() == nil)
    #expect(try scene.findings(.nvramFull).isEmpty)
  }

  @Test func theNeedIsComparedWithTheRoom() throws {
    let room = VariableRoom(sizes: [(name: "Boot0001", size: 5000), (name: "MokNew", size: 1000)], enrolments: [800])
    // 4096 for entries, the request twice, the update, and 128 for each header.
    #expect(room.needed == 4096 + 2 * 1128 + 928)
    #expect(room.finding(.init(total: 65536, available: room.needed)) == nil)
    let finding = try #require(room.finding(.init(total: 65536, available: room.needed - 1)))
    #expect(finding.message.contains("7279 of 65536 bytes free") && finding.message.hasSuffix("need 7280"))
    #expect(finding.command == nil && finding.severity == .attention)
  }

  @Test func crashDumpsAreTheFirstToRemove() throws {
    let room = VariableRoom(sizes: [(name: "dump-type0-1-1-1700000000-C", size: 0)], enrolments: [])
    let finding = try #require(room.finding(.init(total: 1, available: 0)))
    #expect(finding.command == "rm /sys/firmware/efi/efivars/dump-type0-*")
  }

  @Test func hugeRequestsDoNotOverflow() {
    let room = VariableRoom(sizes: [(name: "MokNew", size: .max), (name: "MokXNew", size: .max)], enrolments: [])
    #expect(room.needed < 8 << 20)
  }
}
