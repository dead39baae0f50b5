// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Authenticode
import BinaryFormat
import Cryptography
import Messages
import PortableExecutable
import TestSupport
import Testing
import UnifiedKernelImage

@Suite struct BadInputTests {
  func refusal(_ change: (inout ImageRecipe) throws -> Void) throws -> ImageError? {
    var recipe = try Parts.recipe()
    try change(&recipe)
    return thrown(ImageError.self) { try ImagePlan(recipe) }
  }

  @Test func filesThatAreNotKernelsAreRejected() throws {
    for bytes in [[], Array("#!/bin/sh\nexit 0\n".utf8), [UInt8](repeating: 0x4d, count: 4096)] {
      #expect(try refusal { $0.linux = NamedInput(name: "k", bytes: bytes) }?.rule == .kernel)
    }
    let uki = try Parts.build(try Parts.recipe())
    let error = try refusal { $0.linux = NamedInput(name: "k.efi", bytes: uki) }
    #expect(error?.description == "k.efi is already a UKI")
    #expect(error?.hint != nil)
  }

  @Test func filesThatAreNotStubsAreRejected() throws {
    #expect(try refusal { $0.stub = try Parts.input(.kernel61) }?.rule == .stub)
    let uki = try Parts.build(try Parts.recipe())
    #expect(try refusal { $0.stub = NamedInput(name: "s", bytes: Array(uki.prefix(uki.count))) }?.rule == .stub)
  }

  @Test func emptyOrInvalidPartsAreRejected() throws {
    #expect(try refusal { $0.initrds = [] }?.description == "no initrd specified")
    #expect(try refusal { $0.initrds = [NamedInput(name: "i", bytes: [])] }?.description == "i is empty")
    #expect(try refusal { $0.osRelease = NamedInput(name: "o", bytes: []) }?.rule == .content)
    #expect(try refusal { $0.splash = NamedInput(name: "p", bytes: Array("PNG".utf8)) }?.rule == .content)
    for bytes in [[0x1f, 0x8b], [], Array("070703".utf8), Array("07070".utf8)] as [[UInt8]] {
      let error = try refusal { $0.microcode = NamedInput(name: "u", bytes: bytes) }
      #expect(error?.rule == .content && error?.hint?.contains("cpio") == true)
    }
  }

  @Test(arguments: ["", " ", "a\nb", "a\0b", "a\u{7f}", "a\u{1b}[0m", String(repeating: "a", count: 2048)])
  func invalidCommandLinesAreRejected(_ line: String) throws {
    #expect(try refusal { $0.commandLine = Array(line.utf8) }?.rule == .commandLine)
  }

  @Test func theLongestCommandLineFits() throws {
    var recipe = try Parts.recipe()
    recipe.commandLine = [UInt8](repeating: UInt8(ascii: "a"), count: 2047)
    #expect(throws: Never.self) { try ImagePlan(recipe) }
  }

  @Test(arguments: ["linux", ".", ".linux", ".sbat", ".to-long-name", ".a b", ".efifw"])
  func invalidSectionNamesAreRejected(_ name: String) throws {
    var recipe = try Parts.recipe()
    recipe.extraSections = [(name, NamedInput(name: "x", bytes: [1]))]
    #expect(throws: (any Error).self) { try ImagePlan(recipe) }
  }

  @Test(arguments: ["", "a b", "../x", "a\n", String(repeating: "9", count: 65)])
  func invalidReleasesAreRejected(_ text: String) throws {
    #expect(try refusal { $0.uname = text }?.rule == .content)
  }

  @Test func partsWhoseSizesOverflowAreRejected() throws {
    let huge = NamedInput(name: "huge", bytes: SparseBytes(count: .max))
    #expect(try refusal { $0.initrds = [huge, huge] }?.rule == .section)
  }

  /// An error names the malformed part and no other.
  @Test func errorsNameTheMalformedPart() throws {
    let stub = try Fixture.stub257.bytes()
    let kernel = try Fixture.kernel61.bytes()
    func name(_ change: (inout ImageRecipe) throws -> Void) throws -> Substring? {
      try refusal(change)?.description.split(separator: ":").first
    }
    #expect(try name { $0.stub = NamedInput(name: "stub", bytes: Array(stub.prefix(40_000))) } == "stub")
    #expect(try name { $0.linux = NamedInput(name: "linux", bytes: Array(kernel.prefix(40_000))) } == "linux")
    #expect(try name { $0.sbat = NamedInput(name: "sbat", bytes: Array("one field\n".utf8)) } == "sbat")
    let signed = MemorySink()
    try ImageSigner(identity: try SigningKey().identity, existing: .replace).sign(stub, to: signed)
    #expect(try name { $0.stub = NamedInput(name: "signed", bytes: signed.bytes) } == "signed")
  }

  @Test func truncatedKernelsNeverCrash() throws {
    let kernel = try Fixture.kernel61.bytes()
    for count in Array(0..<1200) + stride(from: 1200, to: kernel.count, by: 65_537) {
      var recipe = try Parts.recipe()
      recipe.linux = NamedInput(name: "k", bytes: Array(kernel[..<count]))
      #expect(throws: (any Error).self) { try ImagePlan(recipe) }
    }
  }

  @Test func damagedStubsNeverCrash() throws {
    let stub = try Fixture.stub252.bytes()
    let size = try PEHeader(parsing: stub).sizeOfHeaders
    for mutation in Mutations(of: Array(stub[..<size]), count: 300) where mutation.count == size {
      var recipe = try Parts.recipe()
      recipe.stub = NamedInput(name: "s", bytes: mutation + stub[size...])
      recipe.initrds = [NamedInput(name: "i", bytes: [1])]
      _ = try? Parts.build(recipe)
    }
  }

  /// Debian 12's stub for arm64 has its version and its SBAT data after its sections.
  @Test func damageAfterAStubsSectionsIsRejectedOrHarmless() throws {
    let stub = try Fixture.stub252ForARM64.bytes()
    let end = try PEHeader(parsing: stub).endOfSections
    func refusal(_ bytes: [UInt8]) throws -> ImageError? {
      var recipe = try Parts.recipe(.stub252ForARM64, .stub257ForARM64)
      recipe.stub = NamedInput(name: "s", bytes: bytes)
      return thrown(ImageError.self) { _ = try Parts.build(recipe) }
    }
    #expect(try refusal(stub) == nil)
    #expect(try refusal(Array(stub[..<end]))?.description == "s is not systemd-stub")
    let other = try #require(stub.firstRange(of: Array("systemd-stub 252".utf8)))
    #expect(try refusal(stub[..<other.lowerBound] + Array("systemd-boot 252 ####".utf8))?.rule == .stub)
    let sbat = try #require(stub.firstRange(of: Array("sbat,1,".utf8)))
    let missing = try refusal(stub[..<sbat.lowerBound] + [0] + stub[sbat.upperBound...])
    #expect(missing?.description.contains(".sbat") == true)
    #expect(try refusal(stub[..<sbat.upperBound] + [0] + stub[sbat.upperBound...])?.rule == .stub)
    for mutation in Mutations(of: Array(stub[end...]), count: 100) { _ = try refusal(stub[..<end] + mutation) }
    for count in stride(from: end, to: stub.count, by: 97) { _ = try refusal(Array(stub[..<count])) }
  }

  /// The self-check detects a flipped bit anywhere in the written UKI.
  @Test func theSelfCheckDetectsEveryKindOfDamage() throws {
    let key = try SigningKey()
    let plan = try ImagePlan(try Parts.recipe())
    let sink = MemorySink()
    let result = try ImageBuilder.write(plan, to: sink, signingBy: key.identity)
    let header = try PEHeader(parsing: sink.bytes)
    let sections = header.sections.filter { $0.rawSize > 0 }.map(\.fileRange)
    let entry = try #require(header.certificateDirectoryOffset)
    // Headers with CheckSum and the certificate directory, first and last byte of each section, the whole table.
    let offsets =
      Array(stride(from: 0, to: header.sizeOfHeaders, by: 3)) + [header.checkSumOffset, entry, entry + 4]
      + sections.flatMap { [$0.lowerBound, $0.upperBound - 1] }
      + Array((header.certificateTableRange?.lowerBound ?? 0)..<header.fileSize)
    for offset in offsets {
      var damaged = sink.bytes
      damaged[offset] ^= 0x10
      #expect(throws: (any Error).self, "byte \(offset)") {
        try ImageSelfCheck.check(damaged, against: plan, result: result)
      }
    }
    for damaged in [Array(sink.bytes.dropLast()), sink.bytes + [0]] {
      #expect(throws: (any Error).self) { try ImageSelfCheck.check(damaged, against: plan, result: result) }
    }
  }
}
