// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import Glibc
import HostCommands
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct ConfigurationCommandTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private static let name = "etc/pve-sb-uki/pve-sb-uki.conf"
  private static let dropIn = "etc/pve-sb-uki/pve-sb-uki.conf.d/50.conf"

  private func text() throws -> String? {
    try directory.read(Self.name).map { String(decoding: $0, as: UTF8.self) }
  }

  private func list() throws -> [ConfigurationList.Item] { try ConfigurationList().run(on: directory.host()) }
  private func item(_ key: String) throws -> ConfigurationList.Item {
    try ConfigurationList().item(key, on: directory.host())
  }

  @discardableResult
  private func set(
    _ key: String, _ value: String, isForced: Bool = false, gate: @escaping Mutation.Gate = { _ in }
  ) throws -> ConfigurationSet.Result {
    try #require(try set([.init(key, value)], isForced: isForced, gate: gate).first)
  }

  @discardableResult
  private func set(
    _ assignments: [ConfigurationSet.Assignment], isForced: Bool = false, gate: @escaping Mutation.Gate = { _ in }
  ) throws -> [ConfigurationSet.Result] {
    var set = ConfigurationSet(assignments)
    set.isForced = isForced
    set.lockTimeout = 0
    return try set.run(on: directory.host(gate: gate))
  }

  private func refusal(_ key: String, _ value: String) throws -> any HintedError { try refusal([.init(key, value)]) }

  /// The error of `set`, which must write nothing.
  private func refusal(_ assignments: [ConfigurationSet.Assignment]) throws -> any HintedError {
    let recorder = MutationRecorder()
    let before = try text()
    do {
      try set(assignments, gate: recorder.gate)
    } catch let error as any HintedError {
      #expect(recorder.mutations.isEmpty)
      #expect(try text() == before)
      return error
    }
    throw Failure("\(assignments[0].key)=\(assignments[0].value) was not refused")
  }

  @Test func withoutFilesEverySettingHasItsDefault() throws {
    let items = try list()
    #expect(items.map(\.key) == Setting.all.map(\.key))
    #expect(items.allSatisfy { $0.source == .default && $0.path == nil && $0.line == nil })
    #expect(items.first { $0.key == "Chain" }?.value == "auto")
  }

  @Test func aValueIsShownWithItsSource() throws {
    try directory.write(Self.name, "# a\nKeep=1\nKeep=2\nStrict=yes\n")
    try directory.write(Self.dropIn, "\nStrict=\n")
    let keep = try item("Keep")
    #expect(keep.value == "2" && keep.source == .file && keep.path == "/\(Self.name)" && keep.line == 3)
    let strict = try item("Strict")
    #expect(strict.value == "no" && strict.source == .dropIn && strict.path == "/\(Self.dropIn)" && strict.line == 2)
    #expect(try list().contains(keep))
  }

  @Test func invalidFilesAreErrorsAsInApply() throws {
    try directory.write(Self.name, "Keep=x\n")
    let error = thrown(BootEnvironmentError.self) { try list() }
    #expect(error?.line == 1 && error?.detail == "Keep has the invalid value 'x'")
    #expect(thrown(BootEnvironmentError.self) { try item("Keep") } == error)
    #expect(try item("Strict").value == "no")
  }

  @Test func unknownKeysAreRejected() throws {
    #expect(throws: Failure.self) { try item("keep") }
    let error = try refusal("keep", "1")
    #expect(error.message == "unknown key 'keep'" && error.hint?.contains("Keep, Key") == true)
  }

  @Test func aValueIsWritten() throws {
    try directory.write(Self.name, "# explained\n#Keep=0\n", mode: 0o640)
    let result = try set("Keep", " 3 ")
    #expect(result.isChange && result.old == "0" && result.new == "3" && result.outweighing == nil)
    #expect(try text() == "# explained\nKeep=3\n")
    #expect(try directory.host().files.linkStatus(of: "/\(Self.name)")?.mode == 0o640)
    #expect(try item("Keep").line == 2)
  }

  @Test func aMissingFileIsCreated() throws {
    #expect(try set("Esp", "/mnt/esp").isChange)
    #expect(try text() == "Esp=/mnt/esp\n")
  }

  @Test(arguments: [
    ("Enabled", "maybe"), ("Keep", "-1"), ("Keep", "1001"), ("Chain", "grub"), ("Esp", "efi"), ("Key", "relative"),
  ])
  func anInvalidValueGivesTheSameErrorAsInAFile(key: String, value: String) throws {
    try directory.write(Self.dropIn, "\(key)=\(value)\n")
    let expected = try #require(thrown(BootEnvironmentError.self) { try list() })
    #expect(unlink(directory.path(of: Self.dropIn)) == 0)
    let error = try refusal(key, value)
    #expect(error.message == expected.detail && error.hint == expected.hint)
  }

  @Test(arguments: ["/a\nStrict=yes", "/a\u{1b}[2J", "/a\u{0}b", "pkcs11:a\rb"])
  func controlCharactersAreRejected(value: String) throws {
    #expect(try refusal("Key", value).message == "the value of Key contains a control character")
  }

  @Test func anEmptyValueRestoresTheDefault() throws {
    try directory.write(Self.name, "Keep=3\n")
    #expect(try set("Keep", "").new == "0")
    #expect(try text() == "Keep=\n")
  }

  @Test(arguments: [
    ("Keep=3", "Keep", "3"), ("", "Dkms", "no"), ("Keep=", "Keep", ""), ("Keep=1\nKeep=03", "Keep", "3"),
  ])
  func aValueAlreadyInEffectIsNotWritten(content: String, key: String, value: String) throws {
    try directory.write(Self.name, content)
    let recorder = MutationRecorder()
    #expect(try !set(key, value, gate: recorder.gate).isChange)
    #expect(try !set(key, value, isForced: true).isChange)
    #expect(recorder.mutations.isEmpty)
    #expect(try text() == content)
  }

  @Test func anOverridingDropInIsReported() throws {
    try directory.write(Self.name, "Keep=1\n")
    try directory.write(Self.dropIn, "# x\nKeep=2\n")
    let error = try refusal("Keep", "3")
    #expect(
      error.message
        == "Keep=3 would have no effect: /\(Self.dropIn), line 2, sets Keep to '2'")
    #expect(error.hint?.contains("--force") == true)
    // A value that is already in use is not an error.
    #expect(try !set("Keep", "2").isChange)
    let forced = try set("Keep", "3", isForced: true)
    #expect(forced.isChange && forced.new == "2" && forced.outweighing?.line == 2)
    #expect(try text() == "Keep=3\n")
    #expect(try !set("Keep", "3", isForced: true).isChange)
  }

  @Test func aDropInForAnotherKeyIsIgnored() throws {
    try directory.write(Self.dropIn, "Strict=yes\n")
    #expect(try set("Keep", "3").isChange)
  }

  @Test func anInvalidValueInTheFileCanBeRepaired() throws {
    try directory.write(Self.name, "Keep=bogus\n")
    let result = try set("Keep", "3")
    #expect(result.isChange && result.old == nil && result.new == "3")
    #expect(try text() == "Keep=3\n")
  }

  @Test func twoInvalidValuesCanBeRepairedOneByOne() throws {
    try directory.write(Self.name, "Keep=bogus\nChain=grub\n")
    #expect(try set("Keep", "3").isChange)
    #expect(throws: BootEnvironmentError.self) { try list() }
    #expect(try set("Chain", "direct").isChange)
    #expect(try text() == "Keep=3\nChain=direct\n")
  }

  @Test func aDryRunChecksAndWritesNothing() throws {
    var set = ConfigurationSet([.init("Keep", "3")])
    set.isDryRun = true
    let recorder = MutationRecorder()
    let results = try set.run(on: directory.host(gate: recorder.gate))
    #expect(results.map(\.isChange) == [true] && results[0].old == "0" && results[0].new == "3")
    set.assignments[0].value = "1001"
    #expect(throws: Failure.self) { try set.run(on: directory.host(gate: recorder.gate)) }
    #expect(recorder.mutations.isEmpty)
  }

  @Test func severalSettingsAreWrittenAtOnceOrNotAtAll() throws {
    try directory.write(Self.name, "#Keep=0\nStrict=yes\n")
    let recorder = MutationRecorder()
    let results = try set([.init("Chain", "shim"), .init("Strict", "yes"), .init("Keep", "3")], gate: recorder.gate)
    #expect(results.map(\.key) == ["Chain", "Strict", "Keep"] && results.map(\.isChange) == [true, false, true])
    #expect(recorder.mutations.count { $0.kind == .exchange } == 1)
    #expect(try text() == "Keep=3\nStrict=yes\nChain=shim\n")
    _ = try refusal([.init("Chain", "direct"), .init("Keep", "many")])
    try directory.write(Self.dropIn, "Dkms=yes\n")
    _ = try refusal([.init("Chain", "direct"), .init("Dkms", "no")])
    #expect(try refusal([.init("Keep", "1"), .init("Keep", "2")]).message == "Keep is set twice")
  }

  private func write(_ key: SigningKey, as name: String) throws {
    try directory.write("srv/\(name).key", key.identity.key.serializedPEM(), mode: 0o600)
    try directory.write("srv/\(name).crt", key.certificate.serializedPEM())
  }

  private static func pair(_ key: String, _ certificate: String) -> [ConfigurationSet.Assignment] {
    [.init("Key", "/srv/\(key).key"), .init("Certificate", "/srv/\(certificate).crt")]
  }

  @Test func aSigningKeyMustSignForItsCertificate() throws {
    try write(SigningKey(), as: "a")
    try write(SigningKey(), as: "b")
    #expect(try set(Self.pair("a", "a")).allSatisfy(\.isChange))
    let written = try text()
    let mismatch = try refusal(Self.pair("a", "b"))
    #expect(mismatch.message.contains("b.crt: cannot sign") && mismatch.hint?.contains("--force") == true)
    #expect(try refusal(Self.pair("missing", "a")).message.contains("missing.key: No such file"))
    // The certificate that stays is not that of the new key.
    #expect(try refusal("Key", "/srv/b.key").hint?.hasPrefix("set Key and Certificate together") == true)
    try directory.write("srv/text.key", "no key")
    #expect(try refusal(Self.pair("text", "a")).message.hasPrefix("the signing key cannot be used: "))
    #expect(try text() == written)
    #expect(try set(Self.pair("missing", "missing"), isForced: true).allSatisfy(\.isChange))
    #expect(try item("Key").value == "/srv/missing.key")
  }

  @Test func aKeyThatIsAwayIsNoObstacle() throws {
    try write(SigningKey(), as: "a")
    try set(Self.pair("a", "a"))
    unlink(directory.path(of: "srv/a.key"))
    // Nothing changes, or something else does.
    #expect(try !set(Self.pair("a", "a")).contains(where: \.isChange))
    #expect(try set("Keep", "3").isChange)
    // The host's own keys may be created later.
    #expect(try set([.init("Key", ""), .init("Certificate", "")]).allSatisfy(\.isChange))
  }

  @Test func aFileThatStaysInvalidIsNotWritten() throws {
    try directory.write(Self.name, "nonsense\n")
    #expect(try refusal("Keep", "3").message.hasPrefix("/\(Self.name), line 1: "))
  }

  @Test(arguments: [EROFS, EACCES, EPERM])
  func anUnwritableFileGivesAHint(number: Int32) throws {
    try directory.write(Self.name, "Keep=1\n")
    let error = thrown(HostError.self) {
      try set("Keep", "3") { throw HostError("write", $0.path, errno: number) }
    }
    #expect(error?.errno == number && error?.hint != nil)
    #expect(try text() == "Keep=1\n")
  }

  @Test func aSymbolicLinkIsNotReplaced() throws {
    try directory.write("etc/pve-sb-uki/other", "Keep=1\n")
    #expect(symlink("other", directory.path(of: Self.name)) == 0)
    #expect(throws: HostError.self) { try set("Keep", "3") }
    #expect(try directory.read("etc/pve-sb-uki/other") == Array("Keep=1\n".utf8))
  }

  @Test func aFailedWriteLeavesTheOldOrTheNewFile() throws {
    let count = MutationRecorder()
    try directory.write(Self.name, "Keep=1\n")
    try set("Keep", "3", gate: count.gate)
    for number in 1...count.mutations.count {
      try directory.write(Self.name, "Keep=1\n")
      _ = try? set("Keep", "3", gate: MutationRecorder(.from(number)).gate)
      let left = try text()
      #expect(left == "Keep=1\n" || left == "Keep=3\n")
    }
  }

  /// `debian/pve-sb-uki.conf` explains each setting, and each replaces its commented default.
  @Test func theInstalledFileExplainsEverySetting() throws {
    let repository = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let content = try FileSystem().readFile("/\(repository)/debian/pve-sb-uki.conf", limit: 1 << 16)
    for setting in Setting.all {
      let value = setting.value(in: Configuration())
      let changed = SettingsFile.setting(setting.key, to: value, in: content)
      #expect(changed.count == content.count - 1, "\(setting.key)")
    }
  }
}
