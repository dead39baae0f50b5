// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import BootEnvironment
import BootPaths
import Cryptography
import DebianArchive
import EFIData
import Findings
import Glibc
import HostSystem
import Messages
import ModuleSignature
import PortableExecutable
import SecureBoot
import StartupCheck
import TestSupport
import UnifiedKernelImage

/// Valid inputs.
extension FuzzedParser {
  private struct MissingSeed: Error {}

  static func key() throws -> SigningKey { try SigningKey() }

  static func signature() throws -> CertificateTable.Entry {
    try AuthenticodeSignature.sign(digest: [UInt8](repeating: 1, count: 32), by: key().identity)
  }

  /// A table with entries of several types.
  static func certificateTable() throws -> [UInt8] {
    let der = try signature().data
    return CertificateTableBytes.entry(der) + CertificateTableBytes.entry([1, 2, 3], type: 1)
      + CertificateTableBytes.entry(CertificateTable.Entry.pkcs7.bytes + der, type: 0x0ef1)
  }

  /// A signature with a time stamp.
  static func adornedSignature() throws -> [UInt8] {
    let der = try signature().data
    let value = DERTree(parsing: der).children[1].children[0].children.last?.children[0].children.last?.contents ?? []
    let token = try TimestampAuthority().token(over: value, digest: "sha256")
    return DERTree.adding(attribute: [0x2b, 6, 1, 4, 1, 0x82, 0x37, 3, 3, 1], token, to: der)
  }

  /// As many certificates and signers as are read, all alike.
  static func longChain() throws -> [UInt8] {
    var tree = DERTree(parsing: try signature().data)
    let parts = tree.children[1].children[0].children
    for (part, count) in [(parts.count - 1, SignedData.signerLimit), (parts.count - 2, SignedData.certificateLimit)] {
      tree.children[1].children[0].children[part].children = [DERTree](
        repeating: parts[part].children[0], count: count)
    }
    return tree.bytes
  }

  /// A log of the new form with the driver of a card.
  static func eventLog() -> [UInt8] {
    var writer = ByteWriter()
    let header = Array("Spec ID Event03\0".utf8) + [0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 11, 0, 32, 0, 0]
    for number in [0, 3] as [UInt32] { writer.write(number) }
    writer.write([UInt8](repeating: 0, count: 20))
    writer.write(UInt32(header.count))
    writer.write(header)
    let path: [UInt8] = [0x01, 0x01, 0x06, 0x00, 0x00, 0x02, 0x7f, 0xff, 0x04, 0x00]
    for number in [2, 0x8000_0004, 1] as [UInt32] { writer.write(number) }
    writer.write(UInt16(11))
    writer.write([UInt8](repeating: 0, count: 32))
    writer.write(UInt32(32 + path.count))
    for number in [0x1000, 0x2000, 0, UInt64(path.count)] as [UInt64] { writer.write(number) }
    writer.write(path)
    return writer.bytes
  }

  /// A header with a token of each kind.
  static func luksMetadata() -> [UInt8] {
    // {"clevis":{"pin":"tpm2","tpm2":{"pcr_ids":"1,7"}}}
    let clevis = "eyJjbGV2aXMiOnsicGluIjoidHBtMiIsInRwbTIiOnsicGNyX2lkcyI6IjEsNyJ9fX0"
    let text = #"""
      {"keyslots":{"0":{},"1":{},"2":{}},"digests":{"0":{"keyslots":["0","1","2"],"segments":["0"]}},"tokens":{
      "0":{"type":"systemd-tpm2","keyslots":["1"],"tpm2-pcrs":[7],"tpm2_pcrlock":false},
      "1":{"type":"clevis","keyslots":["2"],"jwe":{"protected":"\#(clevis)"}}}}
      """#
    return Array(text.utf8)
  }

  static func signedImage() throws -> [UInt8] {
    let sink = MemorySink()
    _ = try ImageSigner(identity: key().identity, existing: .append).sign(Fixture.stub257.bytes(), to: sink)
    return sink.bytes
  }

  static func shim() throws -> [UInt8] { try Fixture.bytes(of: "shim-trixie") }

  /// Judges an image as firmware and shim would, also as shim itself and with its own bytes as a list.
  static func judge(_ bytes: [UInt8]) throws {
    let directory = try TemporaryDirectory()
    let tail = bytes.suffix(4096)
    for variable in [EFIVariableName.signatureDatabase, .forbiddenDatabase, .machineOwnerKeys, .revocationLevel] {
      try directory.write(variable.fileName, [6, 0, 0, 0] + tail)
    }
    try directory.write("image.efi", bytes)
    let database = try TrustDatabase(
      readingFrom: EFIVariableStore(of: FileSystem(), directory: directory.path))
    let file = try FileSystem().openFile(directory.path(of: "image.efi"))
    let shim = try ShimProgram(
      of: file, in: [ProgramDirectory(directory.path, in: FileSystem())], database: database)
    let evaluation = TrustEvaluation(database, shim: shim)
    for route in [TrustEvaluation.Route.firmware, .shim, .loader] { _ = try evaluation.judge(file, via: route) }
  }

  /// An archive plain, in each compression, and all of them one after the other.
  static func initrds() throws -> [[UInt8]] {
    let plain = RAMDiskBytes.initrd(of: "6.8.12-10-pve", ["usr/lib/modules/6.8.12-10-pve/a.ko", "sbin/lvm"])
    let links = RAMDiskBytes.archive([.directory("usr"), .link("lib", to: "usr/lib"), RAMDiskBytes.Member("init")])
    let tools = ["gzip", "bzip2", "xz", "lzma", "lz4 -l", "zstd --no-check"]
    let packed = try tools.map { tool in
      let words = tool.split(separator: " ").map(String.init)
      return try ExternalTool(words[0]).run(["-c"] + words.dropFirst(), input: plain)
    }
    let joined = packed.reduce(into: links) { joined, stream in
      joined += stream
      joined += [UInt8](repeating: 0, count: 8 - joined.count % 4)
    }
    return [plain, links, joined] + packed
  }

  static func unifiedImage() throws -> [UInt8] {
    let stub = NamedInput(name: "stub", bytes: try Fixture.stub257.bytes())
    let initrd = RAMDiskBytes.initrd(of: "6.8.12-10-pve", ["usr/lib/modules/6.8.12-10-pve/a.ko"])
    var recipe = ImageRecipe(stub: stub, linux: stub, initrds: [NamedInput(name: "initrd", bytes: initrd)])
    recipe.commandLine = Array("root=/dev/sda1 ro".utf8)
    recipe.osRelease = NamedInput(name: "os-release", bytes: Array("ID=debian\n".utf8))
    recipe.uname = "6.8.12-10-pve"
    let sink = MemorySink()
    _ = try ImageBuilder.write(ImagePlan(recipe), to: sink, signingBy: nil)
    return sink.bytes
  }

  static func startupRecord() throws -> [UInt8] {
    var record = StartupRecord()
    record.set([UInt8](repeating: 0xab, count: 32), try ExaminedImage(reading: unifiedImage()))
    return record.serialize()
  }

  static func signatureList() throws -> [UInt8] {
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    var database = SignatureDatabase(certificates: [try key().certificate.der], owner: owner)
    database.lists += SignatureDatabase(certificates: [[1, 2, 3], [4, 5, 6]], owner: owner).lists
    return database.serialize()
  }

  static func authenticatedVariable() throws -> [UInt8] {
    guard let time = EFITime(unixSeconds: SigningKey.now) else { throw MissingSeed() }
    return AuthenticatedVariable(time: time, signature: try signature().data, payload: try signatureList()).serialize()
  }

  static func loadOption() throws -> [UInt8] {
    let guid = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    let partition = PartitionLocation(number: 1, startBlock: 0x800, blockCount: 0x14000, guid: guid)
    return try LoadOption(
      description: "Proxmox VE", file: DevicePath.File(partition: partition, path: "/EFI/Linux/pve.efi"),
      optionalData: [1, 2, 3]
    ).serialize()
  }

  /// Entries of a shim and of systemd-boot.
  static func bootEntries() throws -> [[UInt8]] {
    let guid = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    let partition = PartitionLocation(number: 1, startBlock: 0x800, blockCount: 0x14000, guid: guid)
    return try [("/EFI/a/shimx64.efi", EFIText.serialize("\\EFI\\a\\b.efi")), ("/EFI/a/sd.efi", [])].map { path, data in
      try LoadOption(
        description: "a", file: DevicePath.File(partition: partition, path: path), optionalData: data
      ).serialize()
    }
  }

  /// A machine with one partition, which has a shim and a systemd-boot.
  private static let machine = Result {
    let root = try TemporaryDirectory()
    try root.write("\(partition)/EFI/a/shimx64.efi", shim())
    try root.write("\(partition)/EFI/a/sd.efi", Fixture.systemdBoot257.bytes())
    try root.write("\(EFIVariableStore.directory)/\(EFIVariableName.bootOrder.fileName)", [7, 0, 0, 0, 0, 0])
    try FileSystem().makeDirectory(root.path(of: "\(partition)/loader/entries"))
    return root
  }
  private static let partition = "dev/disk/by-partuuid/11223344-5566-7788-99aa-bbccddeeff00"

  /// Follows an entry on that machine; the input is also its loader.conf, an entry, and the variables of systemd-boot.
  static func followBootPath(of bytes: [UInt8]) throws {
    let root = try machine.get()
    let variables = [EFIVariableName.bootOption(0), .loaderEntryDefault, .loaderEntryOneShot]
    for name in ["loader/loader.conf", "loader/entries/a.conf"].map({ "\(partition)/\($0)" })
      + variables.map({ "\(EFIVariableStore.directory)/\($0.fileName)" })
    {
      let content = name.hasPrefix("/sys") ? [7, 0, 0, 0] + bytes : bytes
      guard let stream = fopen(root.path(of: name), "w") else { throw MissingSeed() }
      fwrite(content, 1, content.count, stream)
      fclose(stream)
    }
    let survey = try BootPathSurvey(of: root.host(), ESPSurvey())
    guard survey.paths.count == 1, !survey.findings.map(\.json).isEmpty else {
      throw ParseError("path", at: 0, .range, "lost")
    }
  }

  static func manifest() throws -> [UInt8] {
    guard let kernel = Kernel(release: "6.8.12-10-pve") else { throw MissingSeed() }
    let digest = [UInt8](repeating: 0xab, count: 32)
    var manifest = Manifest()
    manifest.place(
      ImageRecord(
        kernel: kernel, size: 123, digest: digest, booted: 1_750_000_000, commandLine: "root=/dev/sda1 ro",
        certificate: digest,
        inputs: [InputRecord(path: kernel.imagePath, size: 1, modified: 2, inode: 3)]),
      at: [ImageRecord.Copy(esp: "1111-AAA1", name: UKIName(kernel), modified: 5)])
    return manifest.serialize()
  }

  static let control = Array(
    """
    Package: linux-image
    Version: 1:6.1-2
    Architecture: amd64
    Installed-Size: 100
    Depends: a,
     b
    Provides: c, d
    Description: short
     long
     .
      verbatim

    """.utf8)

  static let sums = Array(
    """
    d41d8cd98f00b204e9800998ecf8427e  boot/vmlinuz-6.1
    d41d8cd98f00b204e9800998ecf8427e *usr/share/doc/a b
    d41d8cd98f00b204e9800998ecf8427e /usr/share/x\r

    """.utf8)

  static func package(_ option: String) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    try directory.write("p/DEBIAN/control", String(decoding: control, as: UTF8.self) + "Maintainer: a <a@b>\n")
    try directory.write("p/usr/share/doc/linux-image/README", "text\n")
    let output = directory.path(of: "out.deb")
    try ExternalTool("dpkg-deb").run(["--root-owner-group", option, "-b", directory.path(of: "p"), output])
    return try FileSystem().readFile(output, limit: 1 << 20)
  }

  static func tarArchives() throws -> [[UInt8]] {
    let directory = try TemporaryDirectory()
    let long = String(repeating: "long-name/", count: 12)
    try directory.write("t/boot/vmlinuz-6.1", "kernel")
    try directory.write("t/\(long)file", "text")
    try ExternalTool("ln").run(["-s", "../boot", directory.path(of: "t/link")])
    try ExternalTool("ln").run([directory.path(of: "t/boot/vmlinuz-6.1"), directory.path(of: "t/hard")])
    return try ["gnu", "pax", "ustar"].map { format in
      try ExternalTool("tar").run(["-C", directory.path(of: "t"), "--format=\(format)", "-cf", "-", "."])
    }
  }

  static func controlArchive() throws -> [UInt8] {
    func file(_ path: ArchivePath, _ content: [UInt8]) -> [UInt8] {
      TarHeader.file(path, mode: 0o644, size: content.count, modified: 0) + content
        + TarHeader.fill(after: content.count)
    }
    let end = [UInt8](repeating: 0, count: 1024)
    return file("control", control) + file("md5sums", sums) + file("postinst", [0x23]) + end
  }

  static func xz(_ options: [String]) throws -> [UInt8] {
    var random = SeededGenerator(seed: 1)
    let text = (0..<20_000).map { _ in UInt8.random(in: 0x41...0x44, using: &random) }
    return try ExternalTool("xz").run(["-c", "-T1"] + options, input: text + text)
  }

  static let template = """
    {"packages": {"linux-image-6.1": {"trusted_certs": ["ab12"], "files": [
      {"sig_type": "efi", "file": "boot/vmlinuz-6.1"},
      {"sig_type": "linux-module", "file": "lib/modules/6.1/a.ko"}]}}}
    """

  static let kernelLog = """
    6,1,100,-;Linux version 6.12
    5,2,200,-;vboxdrv: loading of unsigned module is rejected
    5,3,300,-,caller=T1;Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7
    4,4,400,-;nvidia: module verification failed: signature and/or required key missing - tainting kernel
     SUBSYSTEM=module

    """

  static let packageStatus = """
    Package: shim-signed
    Status: install ok installed
    Version: 1.51~1+deb13u1

    Package: other
    Status: deinstall ok config-files
    Description: text
     more text

    """

  static let release = """
    Origin: Test
    Suite: stable
    Date: Fri, 27 Nov 2026 00:12:41 UTC
    Valid-Until: Fri, 04 Dec 2026 00:12:41 UTC
    SHA256:
     e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
     e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 32 main/binary-amd64/Packages.xz

    """

  static let armour = """
    -----BEGIN PGP PUBLIC KEY BLOCK-----
    Comment: a

    Zm9vYmFy
    =abcd
    -----END PGP PUBLIC KEY BLOCK-----

    """

  static func module() throws -> [UInt8] {
    let signer = ModuleSigner(identity: try key().identity, algorithm: .sha256)
    let content = Array("\u{7f}ELF".utf8)
    return content + (try ModuleTrailer.bytes(for: signer.signature(ofContentWith: Digest.of(content))))
  }
}
