// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostCommands
import HostSystem
import Messages
import SigningKeys
import TestSupport
import Testing

@Suite struct KeysMoveTests {
  static let home = KeysCreateTests.directory
  static let stick = "/media/stick"
  static let keys = ["KEK.key", "PK.key", "db.key"]
  static let settings = "etc/pve-sb-uki/pve-sb-uki.conf"
  let root: TemporaryDirectory
  let original: [String: [UInt8]]

  init() throws {
    root = try TemporaryDirectory()
    try KeysFixture.install(in: root)
    try root.host().files.makeDirectory(Self.stick, mode: 0o700)
    original = try Self.content(of: Self.home, in: root)
  }

  private static func content(of directory: String, in root: TemporaryDirectory) throws -> [String: [UInt8]] {
    try root.list(directory).filter { $0.hasSuffix(".key") }.reduce(into: [:]) {
      $0[$1] = try root.read("\(directory)/\($1)")
    }
  }

  @discardableResult
  private func move(to directory: String = stick, _ gate: @escaping Mutation.Gate = { _ in }) throws -> KeysMove.Result
  {
    try KeysMove(to: directory).run(on: root.host(gate: gate))
  }

  private func refusal(to directory: String = stick) throws -> String? {
    let failure = thrown(Failure.self) { try move(to: directory) }
    #expect(failure?.hint != nil)
    #expect(try Self.content(of: Self.home, in: root) == original)
    return failure?.description
  }

  private func current() throws -> String { try Configuration(of: root.host().files).keyDirectory }

  /// Whether all keys are where the settings say.
  private func isUsable() throws -> Bool { try Self.content(of: current(), in: root) == original }

  @Test func keysMoveToAStickAndBack() throws {
    let result = try move()
    #expect(Set(result.names) == Set(Self.keys))
    #expect(try current() == Self.stick && isUsable())
    #expect(try root.list(Self.home) == ["GUID", "KEK.crt", "PK.crt", "db.crt"])
    #expect(try root.list(Self.stick) == ["GUID", "KEK.crt", "KEK.key", "PK.crt", "PK.key", "db.crt", "db.key"])
    for name in Self.keys {
      #expect(try FileSystem().status(of: root.path(of: "\(Self.stick)/\(name)"))?.mode == 0o600)
    }
    let host = try root.host()
    #expect(try KeyStore(configuredOn: host).state() == .complete(withoutPrivateKeys: []))
    try Configuration(of: host.files).signingKey.requireSignature(from: host)
    #expect(try KeysList().run(on: host).keys.allSatisfy { $0.privateKeyPath?.contains(Self.stick) == true })
    #expect(try move().names.isEmpty)
    try move(to: Self.home)
    #expect(try current() == Self.home && isUsable())
    #expect(try root.list(Self.stick).allSatisfy { !$0.hasSuffix(".key") })
    #expect(try root.list("var/lib/pve-sb-uki") == [])
  }

  /// Status, and verification by certificate, work without the stick.
  @Test func aPulledStickIsAnAbsence() throws {
    try move()
    #expect(rename(root.path(of: Self.stick), root.path(of: "/media/pulled")) == 0)
    let host = try root.host()
    let configuration = try Configuration(of: host.files)
    let absence = try #require(configuration.signingKey.availability(on: host).absence)
    #expect(absence.reason == .missing)
    #expect(absence.hint?.description.contains("connect and mount the medium with") == true)
    #expect(try KeyStore(configuredOn: host).state() == .complete(withoutPrivateKeys: KeyRole.allCases))
    #expect(try KeysList().run(on: host).keys.count == 3)
    #expect(thrown(Failure.self) { try move(to: Self.home) }?.description.contains("no private keys in") == true)
    #expect(try current() == Self.stick)
  }

  /// The stick is pulled, full or read-only, or the power fails at any change.
  @Test(.enabled(if: SlowTests.run), arguments: [true, false]) func aFailureAtAnyChangeLeavesTheKeysUsable(
    isPowerCut: Bool
  ) throws {
    for number in 1... {
      let recorder = MutationRecorder(isPowerCut ? .from(number) : .only(number), errno: ENOSPC)
      do {
        try move(to: Self.stick, recorder.gate)
        #expect(recorder.mutations.count == number - 1 && number > 25)
        break
      } catch {
        #expect(try isUsable(), "change \(number)")
        #expect(
          Message(error).description.contains("remain in use") || recorder.mutations.count < 10, "\(number): \(error)")
        try move()
        #expect(try current() == Self.stick && isUsable(), "change \(number), after the next run")
        #expect(try root.list(Self.home) == ["GUID", "KEK.crt", "PK.crt", "db.crt"], "change \(number)")
        #expect(try root.list(Self.stick).count == 7, "change \(number)")
        #expect(try root.list("var/lib/pve-sb-uki").isEmpty, "change \(number)")
      }
      try move(to: Self.home)
    }
  }

  @Test func anInterruptedMoveBackEnds() throws {
    let whole = MutationRecorder()
    try move()
    try move(to: Self.home, whole.gate)
    for number in 1...whole.mutations.count {
      try move()
      #expect(throws: (any Error).self) { try move(to: Self.home, MutationRecorder(.from(number)).gate) }
      #expect(try isUsable(), "change \(number)")
      try move(to: Self.home)
      #expect(try current() == Self.home && isUsable(), "change \(number)")
      #expect(try root.list(Self.stick).allSatisfy { !$0.hasSuffix(".key") }, "change \(number)")
    }
  }

  @Test func otherKeysAreNeverOverwritten() throws {
    try root.write("\(Self.stick)/db.key", "other")
    #expect(try refusal()?.hasSuffix("db.key exists with other content") == true)
    #expect(try root.list(Self.stick) == ["db.key"])
    #expect(try current() == Self.home)
  }

  @Test func unsuitableDirectoriesAreRejected() throws {
    #expect(try refusal(to: "media/stick")?.contains("is not the absolute path") == true)
    #expect(try refusal(to: "/media/../stick")?.contains("is not the absolute path") == true)
    #expect(try refusal(to: "/none/such")?.hasSuffix("/none/such does not exist") == true)
    #expect(try refusal(to: "\(Self.home)/below")?.contains("is inside") == true)
    try root.write("media/file", "x")
    #expect(try refusal(to: "/media/file")?.hasSuffix("is not a directory") == true)
    #expect(symlink("stick", root.path(of: "/media/link")) == 0)
    #expect(try refusal(to: "/media/link")?.hasSuffix("is a symbolic link") == true)
    #expect(symlink("/etc/passwd", root.path(of: "\(Self.stick)/db.key")) == 0)
    #expect(try refusal()?.hasSuffix("db.key is a symbolic link") == true)
  }

  @Test func anESPIsRejected() throws {
    try root.write("boot/efi/EFI/other/file", "x")
    try root.write(Self.settings, "Esp=/boot/efi\n")
    #expect(try refusal(to: "/boot/efi/EFI/keys")?.contains("is on the ESP") == true)
    #expect(try root.list("boot/efi/EFI") == ["other"])
  }

  /// Keys below a mount point would disappear with the next mount.
  @Test func aMediumOfFstabMustBeMounted() throws {
    try root.write("etc/fstab", "# x\n/dev/mapper/stick /media/stick ext4 noauto 0 0\n")
    #expect(try refusal()?.contains("/media/stick is in /etc/fstab, but not mounted") == true)
    try root.write("proc/self/mountinfo", "22 1 0:50 / /media/stick rw - ext4 /dev/mapper/stick rw\n")
    try move()
    #expect(try isUsable())
  }

  @Test func aDropInThatOverridesIsReported() throws {
    try root.write("etc/pve-sb-uki/pve-sb-uki.conf.d/x.conf", "KeyDirectory=/etc/pve-sb-uki/keys\n")
    #expect(try refusal()?.contains("sets KeyDirectory") == true)
  }

  @Test func anotherKeyOfTheSettingsIsRespected() throws {
    try root.write(Self.settings, "Key=pkcs11:token=boot;pin-value=1234\n")
    let result = try move()
    #expect(result.notes.contains { $0.description.contains("Key=pkcs11:token=boot") })
    #expect(!result.notes.contains { $0.description.contains("1234") })
    #expect(try Configuration(of: root.host().files).key == "pkcs11:token=boot;pin-value=1234")
    #expect(try isUsable())
  }

  @Test func theOldPathInTheSettingsIsReplaced() throws {
    try root.write(Self.settings, "Key=\(Self.home)/db.key\n")
    try move()
    #expect(try Configuration(of: root.host().files).key == "\(Self.stick)/db.key")
  }

  /// The passphrase proves that the key can be used; without it, nothing is moved.
  @Test func aProtectedKeyNeedsItsPassphrase() throws {
    let path = root.path(of: "\(Self.home)/db.key")
    try ExternalTool("openssl").run([
      "pkcs8", "-topk8", "-in", path, "-out", root.path(of: "locked"), "-passout", "pass:secret",
    ])
    try root.write("\(Self.home)/db.key", try #require(try root.read("locked")), mode: 0o600)
    #expect(thrown(Failure.self) { try move() }?.description.contains("is protected by a passphrase") == true)
    #expect(try root.list(Self.stick).isEmpty)
    try root.write("passphrase", "secret\n")
    var host = try root.host()
    host.passphrases.file = root.path(of: "passphrase")
    #expect(try KeysMove(to: Self.stick).run(on: host).names.count == 3)
    #expect(try root.read("\(Self.stick)/db.key") == root.read("locked"))
  }

  @Test func keysCanBeCreatedOnAStick() throws {
    try ExternalTool("rm").run(["-rf", root.path(of: Self.home)])
    try root.write(Self.settings, "KeyDirectory=\(Self.stick)\n")
    _ = try KeysCreate().run(on: root.host())
    #expect(try root.list(Self.home) == ["GUID", "KEK.crt", "PK.crt", "db.crt"])
    #expect(try root.list(Self.stick).count == 7)
    // Another host, or this one after a new installation, takes them over.
    let before = try root.read("\(Self.home)/GUID")
    try ExternalTool("rm").run(["-rf", root.path(of: Self.home)])
    var keys = KeysImport()
    keys.directory = root.path(of: Self.stick)
    _ = try keys.run(on: root.host())
    #expect(try root.list(Self.home) == ["GUID", "KEK.crt", "PK.crt", "db.crt"])
    #expect(try root.read("\(Self.home)/GUID") == before)
  }
}
