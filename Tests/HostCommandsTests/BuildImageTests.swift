// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostCommands
import HostSystem
import Messages
import SigningKeys
import TestSupport
import Testing

@Suite struct BuildImageTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("initrd", Array("070701 pretend".utf8))
    try directory.write("empty", [UInt8]())
    try OpenSSL.makeKeys(in: directory)
  }

  func path(_ name: String) -> String { directory.path(of: name) }

  /// A valid build; tests break one part of it.
  func build(_ change: (inout BuildImage) -> Void = { _ in }) -> BuildImage {
    var build = BuildImage(linux: Fixture.kernel61.path, initrds: [path("initrd")])
    build.stub = Fixture.stub252.path
    build.commandLine = "root=/dev/sda1"
    build.key = KeySource(key: path("rsa.key"), certificate: path("rsa.crt"))
    build.output = path("out/pve.efi")
    change(&build)
    return build
  }

  func run(_ build: BuildImage, gate: @escaping Mutation.Gate = { _ in }) throws -> BuildImage.Result {
    try FileSystem().makeDirectory(path("out"))
    var host = try directory.host(gate: gate)
    host.now = { OpenSSL.now }
    return try build.run(on: host)
  }

  @Test func theImageIsWrittenSignedAndVerified() throws {
    let result = try run(build())
    #expect(result.signer == "CN = rsa")
    let report = try VerifyImage(certificates: [path("rsa.crt")]).run(path("out/pve.efi"), on: directory.host())
    #expect(report.isAccepted, "\(report.reason)")
    let other = try VerifyImage(certificates: [path("old.crt")]).run(path("out/pve.efi"), on: directory.host())
    #expect(!other.isAccepted && other.reason == "CN = rsa is not trusted")
    try ExternalTool("sbverify").run(["--cert", path("rsa.crt"), path("out/pve.efi")])
    #expect(try directory.list("out") == ["pve.efi"])
  }

  /// Each bad part causes an error that names it, with a hint if the user can act, and leaves no files.
  @Test(arguments: [
    ("ec.key", "ec.crt", "its key is id-ecPublicKey; UEFI firmware verifies RSA only", true),
    ("weak.key", "weak.crt", "its RSA key has 1024 bits, at least 2048 are required", true),
    ("rsa.key", "old.crt", "the private key does not match it", true),
    ("rsa.crt", "rsa.key", "cannot read the private key", true),
    ("locked.key", "rsa.crt", "is protected by a passphrase", true),
    ("missing.key", "rsa.crt", "No such file or directory", false),
    ("empty", "rsa.crt", "cannot read the private key", true),
    ("rsa.key", "empty", "cannot read the certificate", true),
  ])
  func unsuitableKeysAreRejected(_ key: String, certificate: String, reason: String, hasHint: Bool) throws {
    let failure = thrown(Failure.self) {
      try run(build { $0.key = KeySource(key: path(key), certificate: path(certificate)) })
    }
    let text = failure?.description ?? ""
    #expect(text.contains(reason) || key == "ec.key" && text.contains("UEFI firmware verifies RSA only"), "\(text)")
    #expect((failure?.hint != nil) == hasHint, "\(failure?.hint ?? "no hint")")
    #expect(text.contains(directory.path), "the file is named: \(text)")
    #expect(try directory.list("out").isEmpty)
  }

  /// Firmware ignores the dates, and the clock may be wrong by years.
  @Test(arguments: [
    ("old", "the certificate CN = old expired on 2021-01-01 00:00:00 UTC; firmware ignores this", OpenSSL.now, true),
    ("future", "the certificate CN = future is not valid before 2029-01-01 00:00:00 UTC", OpenSSL.now, true),
    ("rsa", "the certificate CN = rsa is not valid before 2025-01-01 00:00:00 UTC", 0, true),
    ("rsa", "the certificate CN = rsa expired on 2030-01-01 00:00:00 UTC", 4_102_444_800, true),
    ("rsa", "", OpenSSL.now, false),
  ])
  func datesAreNotedAndPreventNothing(_ name: String, note: String, now: Int64, hasNote: Bool) throws {
    try FileSystem().makeDirectory(path("out"))
    var host = try directory.host()
    host.now = { now }
    let key = KeySource(key: path("\(name).key"), certificate: path("\(name).crt"))
    let notes = try build { $0.key = key }.run(on: host).notes.map(\.description)
    #expect(notes.filter { $0.contains("firmware ignores") }.count == (hasNote ? 1 : 0), "\(notes)")
    if hasNote { #expect(notes.contains { $0.hasPrefix(note) && $0.contains("timedatectl") }, "\(notes)") }
    try ExternalTool("sbverify").run(["--cert", path("\(name).crt"), path("out/pve.efi")])
    let signed = try SignImage(path: path("out/pve.efi"), key: key).run(on: host)
    #expect(!signed.wasWritten && signed.notes.isEmpty != hasNote)
  }

  @Test func aKeysPassphraseIsReadFromAFile() throws {
    try directory.write("good", "secret\n")
    try directory.write("bad", "hunter2\n")
    func key(_ passphrase: String) -> KeySource {
      KeySource(key: path("locked.key"), certificate: path("rsa.crt"), passphraseFile: path(passphrase))
    }
    #expect(throws: Never.self) { try run(build { $0.key = key("good") }) }
    #expect(thrown(Failure.self) { try run(build { $0.key = key("bad") }) }?.description.contains("hunter2") == false)
  }

  @Test func invalidPartsAreRejected() throws {
    for change: (inout BuildImage) -> Void in [
      { $0.linux = path("initrd") }, { $0.linux = path("nowhere") }, { $0.linux = directory.path },
      { $0.initrds = [path("empty")] }, { $0.initrds = [path("nowhere")] }, { $0.stub = Fixture.kernel61.path },
      { $0.commandLine = "a\nb" }, { $0.commandLine = "@" + path("nowhere") },
      { $0.sections = [(".linux", path("initrd"))] },
      { $0.output = path("nowhere/pve.efi") }, { $0.output = path("out/../rsa.key") }, { $0.output = path("initrd") },
    ] {
      let failure = thrown(Failure.self) { try run(build(change)) }
      #expect(failure?.description.isEmpty == false)
      #expect(try directory.list("out").isEmpty)
    }
  }

  /// The n-th change to the file system fails, for every n: either the old or the new UKI exists and is intact.
  @Test func anInterruptedBuildLeavesTheOldImage() throws {
    _ = try run(build { $0.commandLine = "root=/dev/old" })
    let old = try directory.read("out/pve.efi")
    var step = 0
    while true {
      step += 1
      let recorder = MutationRecorder(.only(step))
      do {
        _ = try run(build { $0.commandLine = "root=/dev/new" }, gate: recorder.gate)
        break
      } catch {
        let now = try directory.read("out/pve.efi")
        let report = try VerifyImage(certificates: [path("rsa.crt")]).run(path("out/pve.efi"), on: directory.host())
        #expect(report.isAccepted, "step \(step): \(report.reason)")
        let hasNewName = recorder.mutations.prefix(step - 1).contains { $0.kind == .exchange }
        #expect((now == old) != hasNewName, "step \(step)")
        // Nothing is removed before the exchange is on disk.
        let others = try directory.list("out").filter { $0 != "pve.efi" }
        #expect(others.isEmpty || hasNewName && others.allSatisfy(TemporaryName.matches), "step \(step)")
        for name in others { unlink(path("out/\(name)")) }
      }
    }
    #expect(step > 10)
  }

  @Test func theSameInputsGiveTheSameFile() throws {
    _ = try run(build())
    let first = try directory.read("out/pve.efi")
    _ = try run(build())
    #expect(try directory.read("out/pve.efi") == first)
  }
}

extension BuildImageTests {
  /// A file has the syntax of /etc/kernel/cmdline.
  @Test(arguments: [
    ("root=/dev/sda1 ro\n", "root=/dev/sda1 ro"), ("# comment\n\nroot=/dev/sda1\n  quiet \n", "root=/dev/sda1 quiet"),
    ("root=/dev/sda1", "root=/dev/sda1"), ("\troot=/dev/sda1 x=\"a  b\"\n\n", "root=/dev/sda1 x=\"a  b\""),
  ])
  func aFileWithTheCommandLineIsReadLikeTheHosts(content: String, line: String) throws {
    try directory.write("line", content)
    _ = try run(build { $0.commandLine = "@\(path("line"))" })
    let copy = try ScratchFile()
    try ExternalTool("objcopy").run(["-O", "binary", "--only-section=.cmdline", path("out/pve.efi"), copy.path])
    let bytes = try copy.bytes().prefix { $0 != 0 }
    #expect(String(decoding: bytes, as: UTF8.self) == line)
  }

  @Test(
    arguments: [
      (Array("root=/dev/sda1\r\n".utf8), "control character 13"), ([0xef, 0xbb, 0xbf, 0x61, 0x0a], "byte order mark"),
      ([0x61, 0xfc, 0x0a], "UTF-8"), (Array("a x=\"b\n".utf8), "quotation mark"), (Array("# only\n".utf8), "empty"),
      (Array("x=\u{e0}".utf8), "splits the word"),
    ] as [([UInt8], String)])
  func aFileWithAnInvalidCommandLineIsRejected(content: [UInt8], reason: String) throws {
    try directory.write("line", content)
    let failure = thrown(Failure.self) { try run(build { $0.commandLine = "@\(path("line"))" }) }
    #expect(failure?.description.contains(reason) == true, "\(failure?.description ?? "none")")
  }

  @Test(arguments: ["x=\"a", "a\u{feff}", "a\rb", "#a", "x=\u{e0}", "\u{fffd}", " "])
  func anArgumentHasTheSameRules(text: String) throws {
    #expect(thrown(Failure.self) { try run(build { $0.commandLine = text }) }?.hint != nil)
  }

  /// The initrd grows while the UKI is written: the bytes read are neither the old file nor the new one.
  @Test func anInputThatChangesWhileItIsReadIsRejected() throws {
    let initrd = path("initrd")
    let failure = thrown(Failure.self) {
      try run(build()) { mutation in
        if mutation.kind == .write { try ExternalTool("truncate").run(["-s", "+1", initrd]) }
      }
    }
    #expect(failure?.description.contains("changed while it was read") == true, "\(failure?.description ?? "none")")
    #expect(try directory.list("out").isEmpty)
  }
}
