// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import KeyEnrolment
internal import Messages
import TestSupport
import Testing

@Suite struct UnlockedDiskTests {
  private func disk(_ text: String) throws -> UnlockedDisk {
    UnlockedDisk(device: "/dev/sda3", try LUKSMetadata(parsing: Array(text.utf8)))
  }

  @Test func aDiskWithAPassphraseOnlyIsNotAffected() throws {
    let disk = try disk(LUKSHeaders.passphrase)
    #expect(disk.effect == .none && disk.tokens.isEmpty && disk.hasOtherKeyslot)
  }

  @Test func aTokenOfSystemdOnSecureBootStops() throws {
    let disk = try disk(LUKSHeaders.systemd)
    #expect(disk.effect == .stops && disk.hasOtherKeyslot)
    #expect(disk.bindings == "systemd-tpm2 with PCR 7")
  }

  @Test func aSignedPolicyContinues() throws {
    let disk = try disk(LUKSHeaders.signed)
    #expect(disk.effect == .none && disk.bindings == "systemd-tpm2 without PCRs")
  }

  @Test func aTokenOfClevisOnSecureBootStops() throws {
    let disk = try disk(LUKSHeaders.clevis)
    #expect(disk.effect == .stops && disk.bindings == "clevis with PCR 1+7" && disk.hasOtherKeyslot)
  }

  @Test func sharesOfClevisAreLookedInto() throws {
    let disk = try disk(LUKSHeaders.shared)
    #expect(disk.effect == .stops && disk.bindings == "clevis with PCR 7")
  }

  @Test func otherRegistersContinue() throws {
    let disk = try disk(LUKSHeaders.systemd.replacing(#""tpm2-pcrs":[7]"#, with: #""tpm2-pcrs":[0,4]"#))
    #expect(disk.effect == .none && disk.bindings == "systemd-tpm2 with PCR 0+4")
  }

  @Test func aPolicyOfPcrlockCountsAsBound() throws {
    let header = LUKSHeaders.signed.replacing(#""tpm2-pin":false"#, with: #""tpm2-pin":false,"tpm2_pcrlock":true"#)
    #expect(try disk(header).effect == .stops)
  }

  /// The passphrase's keyslot is gone.
  @Test func aDiskThatOnlyTheTPMUnlocksIsRecognised() throws {
    let header = LUKSHeaders.systemd.replacing(#""keyslots":["0","1"]"#, with: #""keyslots":["1"]"#)
    #expect(try !disk(header).hasOtherKeyslot)
  }

  @Test func aClevisHeaderThatCannotBeReadCountsAsBound() throws {
    let header = LUKSHeaders.clevis.replacing(#""protected":"ey"#, with: #""protected":"e!"#)
    #expect(try disk(header).effect == .stops)
  }

  @Test func aNetworkTokenDoesNotUseTheTPM() throws {
    // {"clevis":{"pin":"tang"}}
    let header = #"""
      {"keyslots":{"0":{},"1":{}},"tokens":{"0":{"type":"clevis","keyslots":["1"],
      "jwe":{"protected":"eyJjbGV2aXMiOnsicGluIjoidGFuZyJ9fQ"}}}}
      """#
    let disk = try disk(header)
    #expect(disk.effect == .none && disk.tokens.isEmpty)
  }

  @Test func sharesInSharesEndSomewhere() throws {
    var header = "e30"
    for _ in 0..<40 {
      let text = #"{"clevis":{"pin":"sss","sss":{"jwe":["\#(header)..."]}}}"#
      let file = try ScratchFile(Array(text.utf8))
      header = try ExternalTool("base64").run(["-w0", file.path])
        .filter { $0 != UInt8(ascii: "=") }.map { Character(UnicodeScalar($0)) }.reduce(into: "") { $0.append($1) }
      if header.utf8.count > 40_000 { break }
    }
    let disk = try disk(
      #"{"keyslots":{"1":{}},"tokens":{"0":{"type":"clevis","keyslots":["1"],"jwe":{"protected":"\#(header)"}}}}"#)
    #expect(disk.effect == .stops)
  }

  @Test(arguments: [LUKSHeaders.systemd, LUKSHeaders.clevis, LUKSHeaders.shared])
  func damagedMetadataIsRejectedOrRead(header: String) {
    for damaged in Mutations(of: Array(header.utf8), count: 300) { _ = try? LUKSMetadata(parsing: damaged) }
    for length in stride(from: 0, to: header.utf8.count, by: 7) {
      #expect(throws: ParseError.self) { try LUKSMetadata(parsing: Array(header.utf8.prefix(length))) }
    }
  }

  // MARK: Survey

  @Test func disksAreFoundByUdevAndReadByCryptsetup() throws {
    let directory = try TemporaryDirectory()
    try directory.write("run/udev/data/b8:3", "S:disk/by-id/x\nE:ID_FS_TYPE=crypto_LUKS\nE:ID_FS_VERSION=2\n")
    try directory.write("run/udev/data/b8:1", "E:ID_FS_TYPE=vfat\n")
    try directory.write("sys/dev/block/8:3/uevent", "MAJOR=8\nMINOR=3\nDEVNAME=sda3\n")
    var host = try directory.host()
    host.isRunningSystem = true
    func disks(_ output: @escaping @Sendable (String, [String]) throws -> ProcessOutput) throws -> [UnlockedDisk] {
      host.processes = ProcessRunner { _, _ in
        1
      } collect: { program, arguments, _ in
        try output(program, arguments)
      }
      return try UnlockedDisk.all(on: host)
    }
    let found = try disks { program, arguments in
      #expect(program == "cryptsetup" && arguments == ["luksDump", "--dump-json-metadata", "/dev/sda3"])
      return ProcessOutput(status: 0, output: Array(LUKSHeaders.systemd.utf8))
    }
    #expect(found.map(\.device) == ["/dev/sda3"] && found.map(\.effect) == [.stops])
    func isUnknown(_ disks: [UnlockedDisk]) -> Bool {
      if case .unknown? = disks.first?.effect { disks.count == 1 } else { false }
    }
    #expect(isUnknown(try disks { _, _ in ProcessOutput(status: 1) }))
    #expect(isUnknown(try disks { _, _ in ProcessOutput(status: 0, output: Array("{".utf8)) }))
    #expect(isUnknown(try disks { program, _ in throw HostError("run", program, errno: 2) }))
    try directory.write("run/udev/data/b8:3", "E:ID_FS_TYPE=crypto_LUKS\nE:ID_FS_VERSION=1\n")
    #expect(isUnknown(try disks { _, _ in ProcessOutput(status: 0) }))
    host.isRunningSystem = false
    #expect(try UnlockedDisk.all(on: host).isEmpty)
  }
}
