// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Messages
import PortableExecutable
import TestSupport
import Testing
import UnifiedKernelImage

@Suite struct ImageBuilderTests {
  /// For both stubs and both kernels: other tools see the sections, accept the signature and compute the same digest.
  @Test(arguments: Fixture.stubs, Fixture.kernels)
  func otherToolsAcceptTheImage(_ stub: Fixture, _ kernel: Fixture) throws {
    let key = try SigningKey()
    let bytes = try Parts.build(try Parts.recipe(stub, kernel), by: key)
    let image = try ScratchFile(bytes, suffix: ".efi")
    let certificate = try key.certificateFile()
    let sbverify = try ExternalTool("sbverify").result(["--cert", certificate.path, image.path])
    #expect(sbverify.text == "Signature verification OK\n" && sbverify.errors.isEmpty, "\(sbverify)")
    let osslsigncode = try ExternalTool("osslsigncode").result([
      "verify", "-CAfile", certificate.path, "-time", "\(SigningKey.now)", "-in", image.path,
    ])
    #expect(osslsigncode.text.contains("Signature verification: ok"), "\(osslsigncode.text)")
    let digest = try ImageDigest.compute(of: bytes, header: try PEHeader(parsing: bytes)).hexadecimal
    let pesign = try ExternalTool("pesign").run(["-h", "-i", image.path])
    #expect(String(decoding: pesign, as: UTF8.self).contains(digest))

    for (section, expected) in [
      (".linux", try kernel.bytes()), (".initrd", Parts.initrd), (".osrel", Parts.osRelease),
      (".cmdline", Array(Parts.commandLine.utf8)),
    ] {
      let copy = try ScratchFile()
      try ExternalTool("objcopy").run(["-O", "binary", "--only-section=\(section)", image.path, copy.path])
      let found = try copy.bytes()
      #expect(found.starts(with: expected) && found.count - expected.count < 512, "\(section)")
    }
  }

  @Test(arguments: Fixture.stubs) func sectionsComeInOrderWithoutGaps(_ stub: Fixture) throws {
    var recipe = try Parts.recipe(stub)
    recipe.splash = NamedInput(name: "splash", bytes: SplashPictureTests.Picture().bytes)
    recipe.extraSections = [(".extra", NamedInput(name: "extra", bytes: [1, 2, 3]))]
    let header = try PEHeader(parsing: try Parts.build(recipe))
    let base = try PEHeader(parsing: try stub.bytes())
    #expect(
      header.sections.map(\.name) == base.sections.map(\.name) + [
        ".osrel", ".cmdline", ".uname", ".splash", ".extra", ".initrd", ".linux",
      ])
    #expect(header.isContiguous)
    #expect(header.fileSize == header.endOfSections)
    #expect(header.timeDateStamp == base.timeDateStamp)
    #expect(header.symbolCount == 0)
    try header.requireSeparateMemory()
    for section in header.sections {
      #expect(
        Int(section.virtualAddress).isMultiple(of: base.sectionAlignment)
          || base.sections.contains { $0.name == section.name })
    }
  }

  @Test(arguments: Fixture.kernels) func unameIsReadFromTheKernel(_ kernel: Fixture) throws {
    let plan = try ImagePlan(try Parts.recipe(.stub257, kernel))
    let file = String(decoding: try ExternalTool("file").run(["-b", kernel.path]), as: UTF8.self)
    #expect(file.contains("version \(try #require(plan.uname)) "), "\(file)")
  }

  @Test func initrdsAreAlignedToFourBytes() throws {
    var recipe = try Parts.recipe()
    recipe.initrds = [[1, 2, 3, 4, 5], [6], [7, 8]].map { NamedInput(name: "initrd", bytes: $0) }
    let bytes = try Parts.build(recipe)
    let section = try #require(try PEHeader(parsing: bytes).section(named: ".initrd"))
    #expect(Array(bytes[section.contentRange]) == [1, 2, 3, 4, 5, 0, 0, 0, 6, 0, 0, 0, 7, 8])
  }

  /// The kernel takes both (find_cpio_data in lib/earlycpio.c).
  @Test(arguments: ["070701", "070702"]) func microcodeGoesWhereTheStubFindsIt(magic: String) throws {
    let microcode = Array(magic.utf8) + [9, 9]
    for (stub, name) in [(Fixture.stub257, ".ucode"), (.stub252, ".initrd")] {
      var recipe = try Parts.recipe(stub)
      recipe.microcode = NamedInput(name: "ucode", bytes: microcode)
      let plan = try ImagePlan(recipe)
      #expect(plan.notes.contains { $0.contains("microcode") } == (stub == .stub252))
      let bytes = try Parts.build(recipe)
      let section = try #require(try PEHeader(parsing: bytes).section(named: name))
      #expect(bytes[section.contentRange].starts(with: microcode))
    }
  }

  /// UAPI.5: one for each device; the stub chooses.
  @Test func deviceTreesMayBeRepeated() throws {
    var recipe = try Parts.recipe()
    let trees: [[UInt8]] = [[1, 2, 3], [4, 5, 6, 7]]
    recipe.extraSections = trees.map { (".dtbauto", NamedInput(name: "x", bytes: $0)) }
    let image = try ScratchFile(try Parts.build(recipe, by: SigningKey()), suffix: ".efi")
    let header = try PEHeader(parsing: image.bytes())
    let bytes = try image.bytes()
    #expect(header.sections.filter { $0.name == ".dtbauto" }.map { Array(bytes[$0.contentRange]) } == trees)
    let listing = String(decoding: try ExternalTool("objdump").run(["-h", image.path]), as: UTF8.self)
    #expect(listing.split(separator: "\n").count { $0.contains(" .dtbauto ") } == 2)
    recipe.extraSections = trees.map { (".hwids", NamedInput(name: "x", bytes: $0)) }
    #expect(throws: (any Error).self) { try ImagePlan(recipe) }
  }

  @Test func sbatIsMergedIfItFits() throws {
    let bytes = try Parts.build(try Parts.recipe(.stub257))
    let section = try #require(try PEHeader(parsing: bytes).section(named: ".sbat"))
    let text = String(decoding: bytes[section.contentRange], as: UTF8.self)
    #expect(text.hasPrefix("sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\nsystemd"))
    #expect(text.hasSuffix("\nuki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/\n"))
    let small = try ImagePlan(try Parts.recipe(.stub252))
    // pve-sb-uki(8) explains it: the administrator cannot change it.
    #expect(!small.notes.contains { $0.contains("SBAT") })
    let stub = try Fixture.stub252.bytes()
    let own = try #require(try PEHeader(parsing: stub).section(named: ".sbat"))
    let image = try Parts.build(try Parts.recipe(.stub252))
    let kept = try #require(try PEHeader(parsing: image).section(named: ".sbat"))
    #expect(image[kept.contentRange] == stub[own.contentRange])
  }

  /// Its headers, made by hand, end before the data of `.sbat` and `.sdmagic`.
  @Test func debian12sStubForARM64GetsItsMissingSections() throws {
    let stub = try Fixture.stub252ForARM64.bytes()
    let base = try PEHeader(parsing: stub)
    #expect(base.sections.map(\.name) == [".text", ".data"] && base.endOfSections < base.fileSize)
    let key = try SigningKey()
    let plan = try ImagePlan(try Parts.recipe(.stub252ForARM64, .systemdBoot257ForARM64))
    let version = try Stub(parsing: try Parts.input(.stub252ForARM64)).version
    #expect(version.hasPrefix("systemd-stub 252."))
    #expect(!plan.notes.contains { $0.contains("SBAT") })
    let bytes = try Parts.build(try Parts.recipe(.stub252ForARM64, .systemdBoot257ForARM64), by: key)
    let header = try PEHeader(parsing: bytes)
    #expect(
      header.sections.map(\.name) == [".text", ".data", ".sbat", ".sdmagic", ".osrel", ".cmdline", ".initrd", ".linux"])
    #expect(header.isContiguous)
    try header.requireSeparateMemory()
    try header.requireStartable()
    for name in [".text", ".data"] {
      let (old, new) = (try #require(base.section(named: name)), try #require(header.section(named: name)))
      #expect(old.memoryRange == new.memoryRange && stub[old.fileRange] == bytes[new.fileRange])
    }
    func text(_ name: String) throws -> String {
      String(decoding: bytes[try #require(header.section(named: name)).contentRange], as: UTF8.self)
    }
    let lines = try text(".sbat").split(separator: "\n")
    #expect(
      lines.map { $0.prefix { $0 != "," } } == [
        "sbat", "systemd", "systemd.debian", "systemd-boot", "systemd-boot.debian", "uki",
      ])
    // The stub's lines, unchanged.
    #expect(String(decoding: stub, as: UTF8.self).contains(lines[..<3].joined(separator: "\n") + "\n\0"))
    #expect(try text(".sdmagic") == "#### LoaderInfo: \(version) ####")

    let image = try ScratchFile(bytes, suffix: ".efi")
    let certificate = try key.certificateFile()
    let sbverify = try ExternalTool("sbverify").result(["--cert", certificate.path, image.path])
    #expect(sbverify.text == "Signature verification OK\n" && sbverify.errors.isEmpty, "\(sbverify)")
    let digest = try ImageDigest.compute(of: bytes, header: header).hexadecimal
    let pesign = try ExternalTool("pesign").run(["-h", "-i", image.path])
    #expect(String(decoding: pesign, as: UTF8.self).contains(digest))
  }

  @Test func theSameInputsGiveTheSameBytes() throws {
    let key = try SigningKey()
    #expect(try Parts.build(try Parts.recipe(), by: key) == Parts.build(try Parts.recipe(), by: key))
  }
}
