// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// Every document of `docs/json.md`, as the commands print it.
@Suite struct JSONDocumentTests {
  private let scene: ApplyScene
  private var root: String { scene.directory.path }

  init() throws {
    scene = try ApplyScene(kernels: ["6.8.12-9-pve"])
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "# Settings\nEsp=/boot/efi\n")
  }

  /// The document that a command prints in the scene's root, with the values masked that differ between runs.
  private func document(_ arguments: String...) throws -> String {
    try BuiltCommand("pve-sb-uki").document(["--root", root] + arguments).masked(root: root).serialize()
  }

  private func expect(_ document: String, named name: String, is golden: String) {
    #expect(document == golden + "\n", "\(name)")
  }

  private func addBootEntries() throws {
    let location = try #require(MirroredMachine.location(of: MirroredMachine.serials[0]))
    for (number, label, path) in [
      (1, "Proxmox VE 6.8.12-9-pve", "/EFI/Linux/pve-6.8.12-9-pve.efi"), (2, "proxmox", "/EFI/proxmox/shimx64.efi"),
    ] as [(UInt16, String, String)] {
      let option = try LoadOption(description: label, file: DevicePath.File(partition: location, path: path))
      try write(.bootOption(number), option.serialize())
    }
    try write(.bootOrder, BootOrder([2, 9, 1]).serialize())
    try write(.bootCurrent, BootOrder([2]).serialize())
  }

  private func write(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try scene.directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [7, 0, 0, 0] + data)
  }

  @Test func applyMatchesItsGoldenDocuments() throws {
    expect(try document("apply", "--dry-run"), named: "apply-dry-run", is: Golden.applyDryRun)
    expect(try document("apply"), named: "apply", is: Golden.apply)
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Enabled=no\n")
    expect(try document("apply"), named: "apply-skipped", is: Golden.applySkipped)
    expect(try document("apply", "--skip-reason"), named: "apply-skip-reason", is: Golden.applySkipReason)
  }

  /// With boot entries, an unsigned module, and a run that failed because the stub is missing.
  @Test func statusMatchesItsGoldenDocument() throws {
    let directory = scene.directory
    try addBootEntries()
    try directory.write("lib/modules/6.8.12-9-pve/updates/dkms/example.ko", [UInt8](repeating: 0x7f, count: 3000))
    try FileSystem().remove(directory.path(of: "usr/lib/systemd/boot/efi/linuxx64.efi.stub"))
    _ = try document("apply")
    expect(try document("status"), named: "status", is: Golden.status)
  }

  @Test func imageCommandsMatchTheirGoldenDocuments() throws {
    let directory = scene.directory
    let (key, certificate) = (try scene.key.keyFile(), try scene.key.certificateFile())
    let identity = ["--key", key.path, "--cert", certificate.path]
    let command = try BuiltCommand("pve-sb-uki")
    let build = try command.document(
      [
        "build", "--linux", directory.path(of: "boot/vmlinuz-6.8.12-9-pve"), "--initrd",
        directory.path(of: "boot/initrd.img-6.8.12-9-pve"), "--cmdline", "root=/dev/sda1", "--uname", "6.8.12-9-pve",
        "--os-release", "", "--stub", Fixture.stub257.path, "--output", directory.path(of: "a.efi"),
      ] + identity)
    expect(build.masked(root: root).serialize(), named: "build", is: Golden.build)
    let stub = directory.path(of: "stub.efi")
    try directory.write("stub.efi", Fixture.stub257.bytes())
    let sign = try command.document(["sign", stub] + identity)
    expect(sign.masked(root: root).serialize(), named: "sign", is: Golden.sign)
    let verify = try command.document(["verify", stub, "--cert", certificate.path])
    expect(verify.masked(root: root).serialize(), named: "verify", is: Golden.verify)
    let inspect = try command.document(["inspect", stub])
    expect(inspect.masked(root: root).serialize(), named: "inspect", is: Golden.inspect)
  }

  @Test func keyCommandsMatchTheirGoldenDocuments() throws {
    let empty = try TemporaryDirectory()
    let command = try BuiltCommand("pve-sb-uki")
    func document(_ arguments: String...) throws -> String {
      try command.document(["--root", empty.path] + arguments).masked(root: empty.path).serialize()
    }
    let owner = "11112222-3333-4444-5555-666677778888"
    expect(
      try document("keys", "create", "--common-name", "Test", "--owner-guid", owner), named: "keys-create",
      is: Golden.keysCreate)
    expect(try document("keys", "list"), named: "keys-list", is: Golden.keysList)
    expect(try document("keys", "export", empty.path(of: "public")), named: "keys-export", is: Golden.keysExport)
  }

  @Test func keyFileCommandsMatchTheirGoldenDocuments() throws {
    let empty = try TemporaryDirectory()
    let command = try BuiltCommand("pve-sb-uki")
    func document(_ arguments: String...) throws -> String {
      try command.document(["--root", empty.path] + arguments).masked(root: empty.path).serialize()
    }
    func removeKeys() throws { try ExternalTool("rm").run(["-r", empty.path(of: "etc/pve-sb-uki")]) }
    _ = try document(
      "keys", "create", "--mok", "--common-name", "Test", "--owner-guid", "11112222-3333-4444-5555-666677778888")
    try empty.write("passphrase", "correct horse\n")
    let passphrase = empty.path(of: "passphrase")
    let backup = empty.path(of: "keys.backup")
    expect(
      try document("keys", "backup", backup, "--passphrase-file", passphrase), named: "keys-backup",
      is: Golden.keysBackup)
    try removeKeys()
    expect(
      try document("keys", "restore", backup, "--passphrase-file", passphrase), named: "keys-restore",
      is: Golden.keysRestore)
    try FileSystem().makeDirectory(empty.path(of: "media"))
    expect(try document("keys", "move", "/media"), named: "keys-move", is: Golden.keysMove)
    try removeKeys()
    expect(try document("keys", "import", empty.path(of: "media")), named: "keys-import", is: Golden.keysImport)
  }

  /// In Setup Mode: with a path of another program, and where only --vendor none is refused.
  @Test func enrolmentMatchesItsGoldenDocuments() throws {
    for name in ["db.key", "db.crt"] {
      try FileSystem().remove(scene.directory.path(of: "etc/pve-sb-uki/keys/\(name)"))
    }
    try FileSystem().removeDirectory(scene.directory.path(of: "etc/pve-sb-uki/keys"))
    _ = try document(
      "keys", "create", "--common-name", "Test", "--owner-guid", "11112222-3333-4444-5555-666677778888")
    try addBootEntries()
    try write(.setupMode, [1])
    try write(.secureBoot, [0])
    _ = try document("apply")
    expect(try document("enroll", "--firmware", "--dry-run"), named: "enroll-dry-run", is: Golden.enrollDryRun)
    expect(
      try document("enroll", "--firmware", "--yes", "--vendor", "none"), named: "enroll-refused",
      is: Golden.enrollRefused)
    expect(try document("enroll", "--stage"), named: "enroll-stage", is: Golden.enrollStage)
    expect(try document("keys", "unstage"), named: "keys-unstage", is: Golden.keysUnstage)
    expect(try document("enroll", "--firmware", "--yes"), named: "enroll", is: Golden.enroll)
    expect(try document("keys", "list", "--firmware"), named: "keys-list-firmware", is: Golden.keysListFirmware)
  }

  @Test func bootCommandsMatchTheirGoldenDocuments() throws {
    try addBootEntries()
    expect(try document("boot", "list"), named: "boot-list", is: Golden.bootList)
    try scene.directory.write(
      "dev/disk/by-partuuid/11112222-0000-3333-4444-555566667777/EFI/Linux/pve-6.8.12-9-pve.efi",
      Fixture.stub257.bytes())
    expect(try document("boot", "check"), named: "boot-check", is: Golden.bootCheck)
    expect(try document("boot", "prefer", "2"), named: "boot-prefer", is: Golden.bootPrefer)
    expect(try document("boot", "forget", "1"), named: "boot-forget", is: Golden.bootForget)
    expect(try document("boot", "retire", "--dry-run"), named: "boot-retire", is: Golden.bootRetire)
  }

  @Test func cmdlineCommandsMatchTheirGoldenDocuments() throws {
    expect(try document("cmdline", "show"), named: "cmdline-show", is: Golden.cmdlineShow)
    expect(try document("cmdline", "show", "--base"), named: "cmdline-base", is: Golden.cmdlineBase)
    expect(
      try document("cmdline", "set", "--dry-run", "root=/dev/mapper/pve-root", "quiet"), named: "cmdline-set",
      is: Golden.cmdlineSet)
  }

  @Test func configCommandsMatchTheirGoldenDocuments() throws {
    expect(try document("config", "list"), named: "config-list", is: Golden.configList)
    expect(try document("config", "get", "Esp"), named: "config-get", is: Golden.configGet)
    expect(try document("config", "set", "Keep", "3"), named: "config-set", is: Golden.configSet)
    expect(
      try document("config", "set", "Keep", "3", "Strict", "yes"), named: "config-set-several",
      is: Golden.configSetSeveral)
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf.d/a.conf", "Keep=4\n")
    expect(
      try document("config", "set", "--force", "Keep", "5"), named: "config-outweighed", is: Golden.configOutweighed)
  }

  @Test func repackerMatchesItsGoldenDocuments() throws {
    let tree = try TemporaryDirectory()
    let release = "6.8.12-9-pve"
    let name = "proxmox-kernel-\(release)"
    try tree.write(
      "o/DEBIAN/control",
      """
      Package: \(name)
      Version: 6.8.12-9
      Architecture: amd64
      Maintainer: Nobody <n@example.org>
      Installed-Size: 1000
      Description: a kernel

      """)
    try tree.write("o/boot/vmlinuz-\(release)", Fixture.stub257.bytes())
    try tree.write(
      "t/DEBIAN/control",
      """
      Package: \(name)-signed-template
      Version: 6.8.12-9
      Architecture: amd64
      Maintainer: Nobody <n@example.org>
      Description: template

      """)
    try tree.write(
      "t/usr/share/code-signing/\(name)-signed-template/files.json",
      """
      {"packages": {"\(name)": {"trusted_certs": [], "files": [{"sig_type": "efi", "file": "boot/vmlinuz-\(release)"}]}}}
      """)
    let package = tree.path(of: "a.deb")
    let template = tree.path(of: "t.deb")
    try ExternalTool("sh").run([
      "-ec", "cd '\(tree.path)/o' && find boot -type f | xargs md5sum >DEBIAN/md5sums",
    ])
    for (directory, output) in [("o", package), ("t", template)] {
      try ExternalTool("dpkg-deb").run(["--root-owner-group", "-Zxz", "-b", tree.path(of: directory), output])
    }
    let (key, certificate) = (try scene.key.keyFile(), try scene.key.certificateFile())
    let identity = ["--key", key.path, "--cert", certificate.path]
    let command = try BuiltCommand("pve-sb-uki-repack")
    try FileSystem().makeDirectory(tree.path(of: "out"))
    let report = try command.document(identity + ["-o", tree.path(of: "out"), package, tree.path(of: "none.deb")])
    expect(report.masked(root: tree.path).serialize(), named: "repack", is: Golden.repack)
    let repacked = try #require(try tree.list("out").first)
    let verify = try command.document(
      ["--verify", package, tree.path(of: "out/\(repacked)"), "--cert", certificate.path])
    expect(verify.masked(root: tree.path).serialize(), named: "repack-verify", is: Golden.repackVerify)
    let detached = try command.document(
      ["--detached-signatures", template] + identity + ["-o", tree.path(of: "signatures"), package])
    expect(detached.masked(root: tree.path).serialize(), named: "repack-detached", is: Golden.repackDetached)
  }
}

extension JSONValue {
  /// The document with values masked that differ between runs or fixtures.
  ///
  /// Members whose value is masked keep their type. Of sections only the first is kept.
  func masked(root: String, name: String = "") -> JSONValue {
    switch self {
    case .null, .boolean: return self
    case .number: return Self.varyingNumbers.contains(name) ? 0 : self
    case .string(let text): return .string(Self.masked(text, root: root, name: name))
    case .array(let elements):
      let kept = name == "sections" ? Array(elements.prefix(1)) : elements
      return .array(kept.map { $0.masked(root: root, name: name) })
    case .object(let members):
      let masked = members.map { ($0.key, $0.value.masked(root: root, name: $0.key)) }
      return .object([String: JSONValue](masked) { $1 })
    }
  }

  private static let varyingNumbers: Set = [
    "size", "free_bytes", "checksum", "virtual_address", "raw_size", "file_offset", "characteristics",
  ]
  private static let varyingTexts: Set = [
    "not_before", "not_after", "certificate_end", "stub", "text", "md5", "sha1", "time", "undo",
  ]
  /// Members that contain sentences; `reason` is a word elsewhere.
  private static let sentences: Set = [
    "advice", "detail", "error", "errors", "failures", "hint", "message", "messages", "next", "notes", "problem",
    "problems", "reason",
    "trust_reason", "warnings",
  ]

  private static func masked(_ text: String, root: String, name: String) -> String {
    if varyingTexts.contains(name) || sentences.contains(name) && text.contains(" ") { return "*" }
    if text.utf8.count == 64, text.allSatisfy(\.isHexDigit) { return "*" }
    return text.split(separator: root, omittingEmptySubsequences: false).joined(separator: "ROOT")
  }
}
