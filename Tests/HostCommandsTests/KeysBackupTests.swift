// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Findings
import HostCommands
import HostSystem
import Messages
import SigningKeys
import TestSupport
import Testing

@Suite struct KeysBackupTests {
  static let directory = KeysCreateTests.directory
  static let passphrase = "correct horse"
  let root: TemporaryDirectory

  init() throws {
    root = try TemporaryDirectory()
    try KeysFixture.install(in: root)
    try root.write("passphrase", "\(Self.passphrase)\n")
    try root.host().files.makeDirectory("/out")
  }

  private func host(_ gate: @escaping Mutation.Gate = { _ in }, file: String = "passphrase") throws -> Host {
    var host = try root.host(gate: gate)
    host.passphrases.file = root.path(of: file)
    return host
  }

  @discardableResult
  private func backup(to name: String = "out/keys", force: Bool = false) throws -> KeysBackup.Result {
    var backup = KeysBackup(path: root.path(of: name))
    backup.overwrites = force
    return try backup.run(on: host())
  }

  private func removeKeys() throws { try ExternalTool("rm").run(["-rf", root.path(of: "etc/pve-sb-uki")]) }

  private func content() throws -> [String: [UInt8]] {
    try root.list(Self.directory).reduce(into: [:]) { $0[$1] = try root.read("\(Self.directory)/\($1)") }
  }

  private func isReminded() throws -> Bool {
    try MachineFindings.collect(on: root.host()).contains { $0.kind == .keysNotBackedUp }
  }

  /// The command that is printed opens it, so it is independent of pve-sb-uki.
  @Test func opensslAndTarOpenIt() throws {
    try root.write("\(Self.directory)/LAST-UPDATE", "1750000001\n", mode: 0o600)
    let result = try backup()
    #expect(try FileSystem().status(of: root.path(of: "out/keys"))?.mode == 0o600)
    let command = result.command.description
    #expect(command.hasPrefix("read -rsp 'Passphrase: ' P && "))
    let script = "cd \"$1\" && P=$2 && \(command.split(separator: "&").last ?? "")"
    try root.host().files.makeDirectory("/opened")
    try ExternalTool("bash").run(["-c", script, "bash", root.path(of: "opened"), Self.passphrase])
    try ExternalTool("bash").run(["-c", "cd \"$1\" && sha256sum -c SHA256SUMS", "bash", root.path(of: "opened")])
    let stored = try content()
    #expect(stored.count == 8 && Set(result.names) == Set(stored.keys))
    #expect(try Set(root.list("opened")) == Set(stored.keys).union(["SHA256SUMS"]))
    for (name, bytes) in stored { #expect(try root.read("opened/\(name)") == bytes, "\(name)") }
    let raw = String(decoding: try #require(try root.read("out/keys")), as: UTF8.self)
    #expect(!raw.contains("PRIVATE KEY") && !raw.contains("BEGIN"))
  }

  @Test func aBackupIsRestored() throws {
    try backup()
    let before = try content()
    try removeKeys()
    let result = try KeysRestore(path: root.path(of: "out/keys")).run(on: host())
    #expect(try content() == before)
    #expect(result.list.warnings.isEmpty && result.notes.isEmpty)
    for role in KeysCreateTests.roles {
      #expect(try FileSystem().status(of: root.path(of: "\(Self.directory)/\(role).key"))?.mode == 0o600)
    }
    #expect(try FileSystem().status(of: root.path(of: Self.directory))?.mode == 0o700)
    let failure = thrown(Failure.self) { try KeysRestore(path: root.path(of: "out/keys")).run(on: host()) }
    #expect(failure?.description.contains("is not empty") == true)
  }

  /// A backup is remembered until there are other keys.
  @Test func statusRemindsUntilThereIsABackup() throws {
    #expect(try isReminded())
    try backup()
    #expect(try !isReminded())
    try removeKeys()
    _ = try KeysCreate().run(on: root.host())
    #expect(try isReminded())
  }

  @Test func aWrongPassphraseIsTold() throws {
    try backup()
    try removeKeys()
    try root.write("wrong", "wrong horse\n")
    let failure = thrown(Failure.self) { try KeysRestore(path: root.path(of: "out/keys")).run(on: host(file: "wrong")) }
    #expect(failure?.description.contains("the passphrase in") == true && failure?.hint != nil)
    #expect(try root.list(Self.directory).isEmpty)
    let silent = thrown(Failure.self) { try KeysRestore(path: root.path(of: "out/keys")).run(on: root.host()) }
    #expect(silent?.description.hasSuffix("is protected by a passphrase") == true)
  }

  @Test func existingFilesAreReplacedOnRequest() throws {
    try root.write("out/keys", "precious")
    #expect(thrown(Failure.self) { try backup() }?.description.hasSuffix("out/keys exists") == true)
    #expect(try root.read("out/keys") == Array("precious".utf8))
    try backup(force: true)
    #expect(try root.read("out/keys")?.first == 0x30)
  }

  @Test func aShortPassphraseIsRejected() throws {
    try root.write("passphrase", "short\n")
    #expect(thrown(Failure.self) { try backup() }?.description.contains("the minimum is 8") == true)
    #expect(try root.list("out").isEmpty)
  }

  @Test func anESPIsRejected() throws {
    try root.write("boot/efi/EFI/other/file", "x")
    try root.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/boot/efi\n")
    let failure = thrown(Failure.self) { try backup(to: "boot/efi/EFI/keys") }
    #expect(failure?.description.contains("is on the ESP") == true)
    #expect(try root.list("boot/efi/EFI") == ["other"])
  }

  @Test func privateKeysElsewhereAreNoted() throws {
    try root.host().files.remove("\(Self.directory)/PK.key")
    let result = try backup()
    #expect(result.notes.map(\.description).contains { $0.contains("not in the backup: PK.key") })
    #expect(!result.names.contains("PK.key"))
    #expect(try !isReminded())
  }

  /// The disk is full, or the medium is pulled: no file, or a whole one.
  @Test(.enabled(if: SlowTests.run)) func aFailureAtAnyChangeLeavesNoHalfBackup() throws {
    for number in 1... {
      let recorder = MutationRecorder(.only(number))
      do {
        _ = try KeysBackup(path: root.path(of: "out/\(number)")).run(on: host(recorder.gate))
        #expect(number > 5)
        break
      } catch {
        let names = try root.list("out")
        #expect(names.isEmpty || names == ["\(number)"], "change \(number)")
        if !names.isEmpty {
          #expect(try root.read("out/\(number)")?.first == 0x30)
          try FileSystem().remove(root.path(of: "out/\(number)"))
        }
      }
    }
  }

  /// Archives that another program has made, encrypted by openssl.
  @Test(arguments: [
    "ln -s /etc/passwd db.key && tar -cf a db.key", "mkdir x && echo x >x/db.key && tar -cf a x/db.key",
    "echo x >db.key && tar -cf a db.key", "touch evil && tar --transform 's,^,../,' -cPf a evil",
    "echo x >db.key && sha256sum db.key >SHA256SUMS && tar -cf a db.key SHA256SUMS",
    "head -c 100000 /dev/zero >db.key && sha256sum db.key >SHA256SUMS && tar -cf a db.key SHA256SUMS",
    "cp \"$K\"/* . && cp KEK.key db.key && sha256sum * >SHA256SUMS && tar -cf a *",
    "cp \"$K\"/* . && rm PK.crt && sha256sum * >SHA256SUMS && tar -cf a *",
    "cp \"$K\"/* . && echo none >GUID && sha256sum * >SHA256SUMS && tar -cf a *",
    "cp \"$K\"/* . && sha256sum * >SHA256SUMS && echo 1 >GUID && tar -cf a *",
    "cp \"$K\"/* . && sha256sum * >SHA256SUMS && tar -cf a * && tar -rf a db.key", "head -c 700 /dev/urandom >a",
    ": >a",
  ])
  func hostileArchivesAreRejected(_ making: String) throws {
    try root.host().files.makeDirectory("/work")
    let script = """
      cd "$1" && K=$2 && \(making) && openssl cms -encrypt -binary -in a -outform DER -out ../hostile \
      -aes-256-cbc -pwri_password 'correct horse'
      """
    try ExternalTool("bash").run([
      "-c", script, "bash", root.path(of: "work"), root.path(of: Self.directory),
    ])
    try removeKeys()
    let failure = thrown(Failure.self) { try KeysRestore(path: root.path(of: "hostile")).run(on: host()) }
    #expect(
      failure?.description.hasPrefix(root.path(of: "hostile")) == true, "\(making): \(String(describing: failure))")
    #expect(try root.list(Self.directory).isEmpty)
    #expect(try FileSystem().exists(root.path(of: "evil")) == false)
  }
}
