// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import BootEnvironment
import BootPaths
import Cryptography
import DebianArchive
import EFIData
import HostCommands
import HostSystem
import InitialRAMDisk
import KernelRepack
import KeyEnrolment
import Messages
import ModuleSignature
import PortableExecutable
import RepositoryTrust
import SecureBoot
import StartupCheck
import TestSupport
import XZ

/// A parser of input from outside, with valid inputs to start from.
struct FuzzedParser {
  let name: String
  /// Bytes: 64 MiB for the parsers of a host, 256 MiB for those of the repacker.
  let memoryLimit: Int
  let seeds: () throws -> [[UInt8]]
  /// Makes the checksums of a damaged input right, which would otherwise end the parser early.
  var repair: (inout [UInt8]) -> Void = { _ in }
  let parse: ([UInt8]) throws -> Void

  static var all: [FuzzedParser] { host + repacker }

  private init(
    _ name: String, memoryLimit: Int, seeds: @escaping () throws -> [[UInt8]],
    repair: @escaping (inout [UInt8]) -> Void = { _ in }, parse: @escaping ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.memoryLimit = memoryLimit
    self.seeds = seeds
    self.repair = repair
    self.parse = parse
  }

  private static func forHost(
    _ name: String, seeds: @escaping () throws -> [[UInt8]], parse: @escaping ([UInt8]) throws -> Void
  ) -> FuzzedParser { FuzzedParser(name, memoryLimit: 64 << 20, seeds: seeds, parse: parse) }

  private static func forRepacker(
    _ name: String, seeds: @escaping () throws -> [[UInt8]], repair: @escaping (inout [UInt8]) -> Void = { _ in },
    parse: @escaping ([UInt8]) throws -> Void
  ) -> FuzzedParser { FuzzedParser(name, memoryLimit: 256 << 20, seeds: seeds, repair: repair, parse: parse) }

  // MARK: - Parsers of a host

  private static var host: [FuzzedParser] {
    [
      forHost("pe", seeds: { [try Fixture.stub252.bytes(), try signedImage(), try signedImage().firstPage] }) { bytes in
        let image = try SignedImage(parsing: bytes)
        _ = try image.signatures(in: bytes)
        _ = try image.digests([.sha1, .sha256, .sha384, .sha512], of: bytes, as: .shim)
        _ = try image.header.sbat(in: bytes)
      },
      forHost("certificate-table", seeds: { [try certificateTable()] }) { bytes in
        let table = CertificateTable(parsing: bytes, at: 64)
        for entry in table.entries { _ = try? AuthenticodeSignature(parsing: entry).isIntact() }
        guard table.endsExactly || table.defect != nil else { throw ParseError("table", at: 0, .range, "no reason") }
        if table.entries.isEmpty { throw ParseError("table", at: 0, .truncated, "empty") }
      },
      // All that is read from a signature, with trust anchors as in a key store.
      forHost("pkcs7", seeds: { [try signature().data, try adornedSignature(), try longChain()] }) { bytes in
        let signature = try AuthenticodeSignature(parsing: CertificateTable.Entry(data: bytes))
        _ = try signature.isIntact()
        _ = signature.message.signerChain
        _ = signature.nested.map(AuthenticodeSignature.reading)
        for anchor in signature.message.certificates.prefix(10) {
          _ = try signature.verifies(digest: signature.content.digest, trusting: anchor)
          _ = try signature.timestamp(trusting: anchor)
        }
      },
      forHost("certificate", seeds: { [try key().certificate.der] }) { _ = try Certificate(parsing: $0) },
      forHost("signature-list", seeds: { [try signatureList()] }) { bytes in
        let (database, defects) = SignatureDatabase.readable(in: bytes)
        let strict = Result { try SignatureDatabase(parsing: bytes) }
        if let strict = try? strict.get(), strict != database || !defects.isEmpty {
          throw ParseError("list", at: 0, .range, "read in two ways")
        }
        _ = try strict.get()
      },
      // An image, judged with a list that was damaged in the same way.
      forHost("verdict", seeds: { [try signedImage(), try shim()] }) { bytes in
        try judge(bytes)
      },
      forHost("revocation-level", seeds: { [Array("sbat,1,2025051000\nshim,4\ngrub,5\n".utf8)] }) { bytes in
        guard RevocationLevel(parsing: bytes) != nil else { throw ParseError("level", at: 0, .encoding, "rejected") }
      },
      forHost("authenticated-variable", seeds: { [try authenticatedVariable()] }) { bytes in
        _ = try AuthenticatedVariable(parsing: bytes)
      },
      forHost("event-log", seeds: { [eventLog()] }) { _ = try TPMEventLog(parsing: $0).cardDrivers },
      forHost("luks-metadata", seeds: { [luksMetadata()] }) { bytes in
        _ = UnlockedDisk(device: "/dev/sda3", try LUKSMetadata(parsing: bytes)).bindings
      },
      forHost("load-option", seeds: { [try loadOption()] }) { bytes in
        let option = try LoadOption(parsing: bytes)
        _ = option.paths.map(\.description)
      },
      // A machine whose only boot entry is the input.
      forHost("boot-path", seeds: { try bootEntries() }) { bytes in try followBootPath(of: bytes) },
      forHost("shim-option", seeds: { [EFIText.serialize("\\EFI\\Linux\\a.efi quiet")] }) { bytes in
        guard case .file = ShimOption(parsing: bytes, shim: "/EFI/debian/shimx64.efi") else {
          throw ParseError("option", at: 0, .encoding, "the default")
        }
      },
      // Settings and an entry of systemd-boot.
      forHost("loader-text", seeds: { [Array("title a\nlinux /b\ninitrd /c\noptions x y\ndefault a*\n".utf8)] }) {
        bytes in
        _ = LoaderConfiguration.text(bytes, withDefault: "a")
        guard TypeOneEntry(parsing: bytes, path: "/a") != nil else {
          throw ParseError("entry", at: 0, .encoding, "rejected")
        }
      },
      forHost("sbat", seeds: { [Array("sbat,1,SBAT Version,sbat,1,url\nsystemd,1,a,b,c,d\n".utf8)] }) { bytes in
        _ = try SBAT(parsing: bytes)
      },
      forHost("manifest", seeds: { [try manifest()] }) { bytes in
        if Manifest(parsing: bytes) == nil { throw ParseError("manifest", at: 0, .encoding, "rejected") }
      },
      forHost("initrd", seeds: { try initrds() }) { bytes in
        let limits = InitialRAMDisk.Limits(bytes: 64 << 20)
        var contents = InitrdContents()
        try InitialRAMDisk(bytes, limits: limits).forEachMember { contents.add($0) }
      },
      // A UKI with an initrd, from its headers to the list of files.
      forHost("uki-startup", seeds: { [try unifiedImage()] }) { bytes in
        _ = try ImageUsage(of: PEHeader(parsing: bytes), in: bytes)
        _ = try ExaminedImage(reading: bytes, limits: InitialRAMDisk.Limits(bytes: 64 << 20))
      },
      forHost("startup-record", seeds: { [try startupRecord()] }) { bytes in
        guard let record = StartupRecord(parsing: bytes) else {
          throw ParseError("record", at: 0, .encoding, "rejected")
        }
        _ = record.serialize()
      },
      forHost("settings", seeds: { [Array("# comment\nKeep = 3\n\nESP=/boot/efi /efi\r\nX=\n".utf8)] }) { bytes in
        _ = try SettingsFile(parsing: bytes, path: "settings")
      },
      forHost("kernel-log", seeds: { [Array(kernelLog.utf8)] }) { bytes in
        guard KernelLog(parsing: bytes).findings.count < 3 else { throw ParseError("log", at: 0, .range, "too many") }
      },
      forHost("dpkg-status", seeds: { [Array(packageStatus.utf8)] }) { bytes in
        _ = InstalledPackages(parsing: bytes)["shim-signed"]
      },
    ]
  }

  // MARK: - Parsers of the repacker

  private static var repacker: [FuzzedParser] {
    [
      forRepacker("deb", seeds: { [try package("-Zxz"), try package("-Znone"), try package("-Zzstd")] }) { bytes in
        _ = try DebLayout(parsing: bytes)
      },
      forRepacker("tar", seeds: { try tarArchives() }, repair: TarRepair.checksums) { bytes in
        var reader = TarReader()
        var names = TarNames()
        try bytes.withUnsafeBytes { bytes in
          try reader.feed(bytes) { if case .entry(let entry) = $0 { try names.admit(entry) } }
        }
        try reader.finish()
      },
      forRepacker("control-archive", seeds: { [try controlArchive()] }, repair: TarRepair.checksums) { bytes in
        _ = try ControlArchive(text: bytes)
      },
      forRepacker("control", seeds: { [control, control.flatMap { $0 == 0x0a ? [0x0d, 0x0a] : [$0] }] }) {
        let stanza = try ControlStanza(parsing: $0)
        _ = try stanza.repacked(
          as: PackageName(stanza.identity(), naming: .suffix("-x"), suffix: PackageName.defaultSuffix), growth: 1,
          signer: "CN=a")
      },
      forRepacker("md5sums", seeds: { [sums] }) { bytes in
        var sums = try MD5Sums(parsing: bytes)
        sums.rename(sums.paths.map { (old: $0, new: ArchivePath("new/\($0)")) })
      },
      forRepacker("xz", seeds: { [try xz(["-0"]), try xz(["-0", "--block-size=4096"])] }, repair: XZRepair.checksums) {
        let stream = try XZStream(parsing: $0)
        for block in stream.blocks { _ = try DecodedBlock(block, of: stream, from: $0) }
      },
      forRepacker("files.json", seeds: { [Array(template.utf8)] }) { _ = try SigningTemplate(parsing: $0) },
      forRepacker("release", seeds: { [Array(release.utf8)] }) { _ = try ReleaseFile(parsing: $0, of: "Release") },
      forRepacker("armour", seeds: { [Array(armour.utf8)] }) { _ = try OpenPGPArmor.binary($0, of: "keys") },
      forRepacker("module", seeds: { [try module()] }) { bytes in
        if let trailer = try ModuleTrailer(tail: bytes.suffix(ModuleTrailer.sizeLimit), ofModuleWith: bytes.count) {
          _ = try SignedModule(trailer)
        }
      },
    ]
  }
}

extension [UInt8] {
  /// The headers of an image, and the start of its first section.
  fileprivate var firstPage: [UInt8] { Array(prefix(8192)) }
}
