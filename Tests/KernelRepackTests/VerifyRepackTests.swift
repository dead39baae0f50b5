// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import HostSystem
import KernelRepack
import Messages
import ModuleSignature
import TestSupport
import Testing

@Suite struct VerifyRepackTests {
  private static let keys = Result { (try SigningKey("Ours"), try SigningKey("Theirs")) }
  private static let image = VerifyScene.image
  private static let signed = [
    "control-field Version", "control-field Installed-Size", "control-field Description", "image-signature \(image)",
  ]

  private static func scene(_ options: [String] = ["-Zxz", "-z0"]) throws -> VerifyScene {
    try VerifyScene(key: keys.get().0, options: options)
  }

  @Test(arguments: ["-Zxz", "-Zzstd", "-Zgzip", "-Znone"])
  func aNewSignatureAndItsConsequencesAreExpected(_ compression: String) throws {
    let scene = try Self.scene([compression])
    try scene.sign()
    let report = try scene.verify(certificates: [scene.certificate])
    #expect(report.problems == [] && report.isClean)
    #expect(report.expected == Self.signed)
    #expect((report.original.version, report.repacked.version) == ("6.1.0-1", "6.1.0-1+0sb1"))
    // All entries of data.tar except the image; the directory and postinst of control.tar.
    #expect(report.equalCount == 16)
  }

  @Test func identicalPackagesHaveNoDifferences() throws {
    let scene = try Self.scene()
    let report = try scene.verify()
    #expect(report.findings == [])
    // If a certificate is specified, a package without a new signature is a problem.
    #expect(try scene.report(certificates: [scene.certificate]).problems == ["image-signature \(VerifyScene.name)"])
  }

  /// The comparison must find each of these, and nothing else.
  @Test(arguments: [
    ("echo x >>boot/config-K", ["content boot/config-K"]),
    ("echo x >>boot/more", ["control-field Installed-Size", "file-added boot/more"]),
    (
      "rm boot/config-K", ["control-field Installed-Size", "md5sums boot/config-K", "file-removed boot/config-K"]
    ),
    ("chmod 600 boot/config-K", ["metadata boot/config-K"]),
    ("chmod 4755 lib/modules", ["metadata lib/modules"]),
    ("touch -d @1600000000 boot/config-K", ["metadata boot/config-K"]),
    (
      "rm boot/config-K; ln -s /etc/passwd boot/config-K",
      ["md5sums boot/config-K", "metadata boot/config-K", "order data.tar"]
    ),
    ("printf x | dd of=lib/modules/K/kernel/a.ko conv=notrunc", ["content lib/modules/K/kernel/a.ko"]),
    ("printf x | xz -c >lib/modules/K/kernel/b.ko.xz", ["content lib/modules/K/kernel/b.ko.xz"]),
    ("echo exit 1 >>DEBIAN/postinst", ["control-file postinst"]),
    ("cp DEBIAN/postinst DEBIAN/prerm", ["control-file prerm"]),
    ("rm DEBIAN/postinst", ["control-file postinst"]),
    ("sed -i 's/busybox/evil/' DEBIAN/control", ["control-field Depends"]),
    ("sed -i '/Depends/d' DEBIAN/control", ["control-field Depends"]),
    ("sed -i '/Depends/a Replaces: evil' DEBIAN/control", ["control-field Replaces"]),
    ("sed -i '/Depends/a Provides: evil' DEBIAN/control", ["control-field Provides"]),
    ("sed -i 's/^Version:.*/Version: 6.1.0-1~1/' DEBIAN/control", ["control-field Version"]),
    ("sed -i 's/^Version:.*/Version: 7/' DEBIAN/control", ["control-field Version"]),
    ("sed -i 's/^Installed-Size: .*/Installed-Size: 5/' DEBIAN/control", ["control-field Installed-Size"]),
    ("sed -i 's/ long/ short/' DEBIAN/control", ["control-field Description"]),
    ("echo ' And more.' >>DEBIAN/control", ["control-field Description"]),
    ("sed -i 's/^Architecture:.*/Architecture: arm64/' DEBIAN/control", ["control-field Architecture"]),
    ("sed -i '/^Depends/d; /^Package/i Depends: busybox' DEBIAN/control", ["order control"]),
    // A byte of a section, which the Authenticode digest covers.
    ("printf x | dd of=boot/vmlinuz-K bs=1 seek=20000 conv=notrunc", ["content boot/vmlinuz-K"]),
  ])
  func unexpectedChangesAreProblems(_ change: String, _ problems: [String]) throws {
    let scene = try Self.scene()
    try scene.sign()
    let named = { (text: String) in
      text.split(separator: "K", omittingEmptySubsequences: false).joined(separator: VerifyScene.kernel)
    }
    try scene.shell("cd '\(scene.path(""))'; " + named(change))
    let report = try scene.verify()
    #expect(report.problems == problems.map(named) && !report.isClean, "\(change)")
  }

  @Test func invalidSignaturesAreProblems() throws {
    let scene = try Self.scene()
    try scene.sign()
    let other = try Self.keys.get().1.certificateFile()
    #expect(try scene.verify(certificates: [other.path]).problems == ["image-signature \(Self.image)"])
    // A bit of the signature, which is at the end of the file, before padding.
    let content = try #require(try scene.directory.read("n/\(Self.image)"))
    var damaged = content
    damaged[content.count - 100] ^= 1
    try scene.directory.write("n/\(Self.image)", damaged)
    #expect(try scene.verify().problems == ["image-signature \(Self.image)"])
    // The file is truncated within its signature.
    try scene.directory.write("n/\(Self.image)", content.dropLast(100))
    #expect(try scene.verify().problems.contains("content \(Self.image)"))
  }

  @Test func replacedAndRemovedSignaturesAreReported() throws {
    let scene = try Self.scene()
    try scene.sign()
    try scene.verify().findings.forEach { #expect($0.isExpected) }
    let once = try #require(try scene.directory.read("n/\(Self.image)"))
    let twice = try VerifyScene(key: Self.keys.get().1)
    // The original is the signed package; the result is the same package with another signature.
    try twice.directory.write("n/\(Self.image)", try #require(try twice.directory.read("o/\(Self.image)")))
    try twice.sign()
    try twice.write("DEBIAN/control", scene.control())
    _ = try twice.verify()
    let replaced = try VerifyRepack(original: scene.repacked, repacked: twice.repacked).run(on: scene.directory.host())
    #expect(replaced.findings.map(\.kind) == [.imageSignature] && replaced.isClean)
    #expect(replaced.findings.first?.detail.description.contains("replaces the previous ones (1)") == true)
    let removed = try VerifyRepack(original: scene.repacked, repacked: scene.original).run(on: scene.directory.host())
    #expect(removed.problems.contains("image-signature \(Self.image)"))
    #expect(once.count > 0)
  }

  @Test func moduleSignaturesAreChecked() throws {
    let scene = try Self.scene()
    try scene.sign()
    func trailer(_ key: SigningKey, _ content: [UInt8]) throws -> [UInt8] {
      let signer = ModuleSigner(identity: key.identity, algorithm: .sha512)
      return try ModuleTrailer.bytes(for: signer.signature(ofContentWith: Digest.of(content, .sha512)))
    }
    let (ours, theirs) = try Self.keys.get()
    let plain = [UInt8](repeating: 0x7f, count: 3000)
    let packed = [UInt8](repeating: 0x3f, count: 5000)
    func put(_ key: SigningKey, over content: [UInt8]? = nil) throws {
      try scene.directory.write("n/\(VerifyScene.module)", plain + trailer(key, content ?? plain))
      let module = try packed + trailer(key, content ?? packed)
      try scene.directory.write("n/\(VerifyScene.packedModule)", ExternalTool("xz").run(["-c", "-0"], input: module))
      let kibibytes = { (name: String) in ((try scene.directory.read(name)?.count ?? 0) + 1023) / 1024 }
      let growth = try [VerifyScene.module, VerifyScene.packedModule].reduce(0) {
        try $0 + kibibytes("n/\($1)") - kibibytes("o/\($1)")
      }
      try scene.write("DEBIAN/control", scene.control(growth: growth))
    }
    let modules = ["module-signature \(VerifyScene.module)", "module-signature \(VerifyScene.packedModule)"]
    try put(ours)
    #expect(try scene.verify(certificates: [scene.certificate]).problems == [])
    #expect(try scene.report().expected.suffix(2) == modules)
    try put(theirs)
    #expect(try scene.verify(certificates: [scene.certificate]).problems == modules)
    #expect(try scene.report().problems == [])
    try put(ours, over: [1, 2, 3])
    #expect(try scene.verify(certificates: [scene.certificate]).problems == modules)
  }

  @Test func wrongMD5SumsAreProblems() throws {
    let scene = try Self.scene()
    try scene.sign()
    _ = try scene.verify()
    let sums = String(decoding: try #require(try scene.directory.read("n/DEBIAN/md5sums")), as: UTF8.self)
    let lines = sums.split(separator: "\n")
    let wrong = lines.map { $0.hasSuffix("copyright") ? "00" + $0.dropFirst(2) : String($0) }
    try scene.write("DEBIAN/md5sums", wrong.joined(separator: "\n") + "\n")
    let copyright = "usr/share/doc/\(VerifyScene.name)/copyright"
    #expect(try scene.verify(sums: false).problems == ["md5sums \(copyright)"])
    try scene.write("DEBIAN/md5sums", lines.dropLast().joined(separator: "\n") + "\n")
    #expect(try scene.verify(sums: false).problems == ["md5sums \(copyright)", "md5sums \(copyright)"])
    try scene.write("DEBIAN/md5sums", sums + "\(String(repeating: "0", count: 32))  boot/nothing\n")
    #expect(try scene.verify(sums: false).problems == ["md5sums boot/nothing"])
    try scene.write("DEBIAN/md5sums", lines.reversed().joined(separator: "\n") + "\n")
    #expect(try scene.verify(sums: false).problems == ["md5sums md5sums"])
  }

  @Test func aNewNameInTheStyleOfProxmoxIsExpected() throws {
    let scene = try Self.scene()
    try scene.sign()
    let (old, new) = (VerifyScene.name, VerifyScene.name + "-signed")
    try scene.shell("mv '\(scene.path("usr/share/doc/\(old)"))' '\(scene.path("usr/share/doc/\(new)"))'")
    let fields = "Replaces: \(old)\nConflicts: \(old)\nProvides: \(old)\n"
    try scene.write("DEBIAN/control", scene.control(fields: fields, package: new))
    let report = try scene.verify()
    #expect(report.problems == [])
    #expect(report.expected.contains("file-renamed usr/share/doc/\(new)/copyright"))
    let versioned = "Provides: \(old) (= 6.1.0-1), \(new) (= 6.1.0-1)\n"
    try scene.write("DEBIAN/control", scene.control(fields: versioned, package: new))
    #expect(try scene.verify().problems == [])
    try scene.write("DEBIAN/control", scene.control(fields: "Conflicts: \(old), apt\n", package: new))
    #expect(try scene.verify().problems == ["control-field Conflicts"])
  }

  @Test("Only the original version may be provided")
  func providedVersions() throws {
    let scene = try Self.scene()
    try scene.sign()
    try scene.write("DEBIAN/control", scene.control(fields: "Provides: \(VerifyScene.name) (= 6.1.0-1)\n"))
    #expect(try scene.verify().problems == [])
    for other in ["\(VerifyScene.name) (= 6.1.0-2)", VerifyScene.name, "apt (= 6.1.0-1)"] {
      try scene.write("DEBIAN/control", scene.control(fields: "Provides: \(other)\n"))
      #expect(try scene.verify().problems == ["control-field Provides"])
    }
  }

  @Test func theProvenanceFileIsChecked() throws {
    let scene = try Self.scene()
    try scene.sign()
    let path = "usr/share/doc/\(VerifyScene.name)/pve-sb-uki-repack.provenance"
    func sha256(_ path: String) throws -> String {
      String(decoding: try ExternalTool("sha256sum").run([path]).prefix(64), as: UTF8.self)
    }
    func provenance(_ original: String) throws {
      let (before, after) = (scene.directory.path(of: "o/\(Self.image)"), scene.path(Self.image))
      try scene.write(
        path, "Input-SHA256: \(original)\nSigned-Images:\n \(sha256(before)) \(sha256(after)) \(Self.image)\n")
    }
    try scene.write("DEBIAN/control", scene.control(growth: 1))
    try provenance(sha256(scene.original))
    let report = try scene.verify()
    #expect(report.problems == [] && report.expected.contains("file-added \(path)"))
    try provenance(String(repeating: "0", count: 64))
    #expect(try scene.verify().problems == ["provenance \(path)"])
    try scene.write(path, "Input-SHA256: \(sha256(scene.original))\nSigned-Images:\n 0 0 \(Self.image)\n")
    #expect(try scene.verify().problems == ["provenance \(path)"])
    try scene.write(path, "nothing\n")
    #expect(try scene.verify().problems == ["provenance \(path)"])
  }

  /// dpkg reads only the first frame, other programs read all.
  @Test func moreThanOneZstdFrameIsAnError() throws {
    let scene = try Self.scene(["-Zzstd"])
    try scene.sign()
    _ = try scene.verify()
    try scene.shell(
      """
      cd '\(scene.directory.path)'; ar x repacked.deb data.tar.zst; zstd -qdc data.tar.zst >tar
      head -c 10240 tar | zstd -qc >one; tail -c +10241 tar | zstd -qc >two; cat one two >data.tar.zst
      ar rD repacked.deb data.tar.zst
      """)
    let failure = thrown(Failure.self) { try scene.report() }
    #expect(failure?.message.description.contains("after the first frame") == true)
    #expect(failure?.message.description.contains(scene.repacked) == true)
    #expect(
      thrown(Failure.self) {
        try VerifyRepack(original: "/nowhere", repacked: scene.original).run(on: scene.directory.host())
      } != nil)
  }
}
