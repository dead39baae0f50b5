// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

/// A running machine with an ESP at /boot/efi, whose firmware variables are a directory; the test is its firmware menu.
struct GuideScene {
  let scene: ApplyScene
  var directory: TemporaryDirectory { scene.directory }

  /// `keys` are those of the host: the same ones as in other tests, since creating them takes longer than a test.
  init(hasKeys: Bool = true) throws {
    scene = try ApplyScene()
    if hasKeys { try KeysFixture.install(in: directory) } else { try removeKeys() }
    try directory.write("proc/stat", "btime \(SigningKey.now)\n")
    try directory.write("sys/firmware/efi/fw_platform_size", "64\n")
    try settings("")
    try put(.secureBoot, [0])
    try put(.setupMode, [0])
    try put(
      EFIVariableName(name: "OsIndicationsSupported", vendor: EFIVariableName.globalVendor), [1, 0, 0, 0, 0, 0, 0, 0])
  }

  func removeKeys() throws {
    let files = try directory.host().files
    for name in ["db.key", "db.crt"] { try files.remove("/etc/pve-sb-uki/keys/\(name)") }
  }

  func host() throws -> Host {
    var host = try directory.host()
    host.now = { SigningKey.now }
    host.isRunningSystem = true
    host.kernelRelease = ApplyScene.newer
    return host
  }

  func settings(_ text: String) throws {
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/boot/efi\n\(text)")
  }

  func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [7, 0, 0, 0] + data)
  }

  func put(_ variable: EFIVariableName, certificates: [[UInt8]]) throws {
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    try put(variable, SignatureDatabase(certificates: certificates, owner: owner).serialize())
  }

  /// The certificate that signs UKIs, or another of the owner's, as openssl converts it.
  func certificate(_ name: String = "db") throws -> [UInt8] {
    try ExternalTool("openssl").run([
      "x509", "-in", directory.path(of: "etc/pve-sb-uki/keys/\(name).crt"), "-outform", "DER",
    ])
  }

  /// Boots the newer kernel's UKI as stub 257 reports it, or without a name another program.
  func boot(_ image: String? = "pve-\(ApplyScene.newer).efi") throws {
    func text(_ text: String) -> [UInt8] { text.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] } + [0, 0] }
    guard let image else { return try put(.loaderInfo, text("GRUB 2.12")) }
    try directory.host().files.remove("\(EFIVariableStore.directory)/\(EFIVariableName.loaderInfo.fileName)")
    try put(.stubInfo, text("systemd-stub 257.9"))
    try put(.stubImageIdentifier, text("\\EFI\\Linux\\\(image)"))
  }

  /// What the firmware has after `enroll --firmware`, which EnrolFirmwareTests test.
  func enrolAll() throws {
    for (name, variable) in [
      ("db", EFIVariableName.signatureDatabase), ("KEK", .keyExchangeKey), ("PK", .platformKey),
    ] {
      try put(variable, certificates: [certificate(name)])
    }
    try put(.setupMode, [0])
  }

  /// A stand-in for mokutil 0.6: the request that it files, as if the password had been typed.
  func hostWithMokutil(
    exitCode: Int32 = 0, files: Bool = true, arguments: (@Sendable ([String]) -> Void)? = nil
  ) throws -> Host {
    var host = try host()
    let store = directory.path(of: String(EFIVariableStore.directory.dropFirst()))
    let root = FileSystem()
    host.terminal = Terminal(isThere: { true }, readLine: { nil })
    host.processes = ProcessRunner(run: { program, words in
      #expect(program == "/usr/bin/mokutil")
      arguments?(words)
      guard words.first == "--import", files else { return exitCode }
      let certificates = try words.filter { $0.hasSuffix(".der") }.map { try root.readFile($0, limit: 1 << 20) }
      let owner = GUID(0x605d_ab50, 0xe046, 0x4300, 0xabb6_3dd8_10dd_8b23)
      let content = SignatureDatabase(certificates: certificates, owner: owner).serialize()
      for (name, data) in [(EFIVariableName.requestedMachineOwnerKeys, content), (.machineOwnerKeysPassword, [1])] {
        try root.replaceFile("\(store)/\(name.fileName)", content: [7, 0, 0, 0] + data)
      }
      return exitCode
    })
    return host
  }

  /// A machine with Secure Boot on that was started by shim, which the firmware knows by its digest; on the ESP are shim,
  /// MokManager (another program signed by Debian) and GRUB.
  static func withShim() throws -> GuideScene {
    let scene = try GuideScene()
    let directory = scene.directory
    try directory.write(BootPrograms.amd64.shim, Fixture.bytes(of: "shim-trixie"))
    try directory.write(BootPrograms.amd64.mokManager, Fixture.bytes(of: "grub-trixie"))
    try directory.write("usr/bin/mokutil", "")
    try directory.write("boot/efi/EFI/BOOT/BOOTX64.EFI", Fixture.bytes(of: "shim-trixie"))
    for name in ["grubx64.efi", "mmx64.efi"] {
      try directory.write("boot/efi/EFI/BOOT/\(name)", Fixture.bytes(of: "grub-trixie"))
    }
    let printed = try ExternalTool("pesign").result(["-h", "-d", "sha256", "-i", Fixture.path(of: "shim-trixie")]).text
    let digest = try #require(
      [UInt8](hexadecimal: printed.split(whereSeparator: { $0 == " " || $0 == "\n" }).last ?? ""))
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    let list = SignatureList(type: .sha256, signature: .init(owner: owner, data: digest))
    try scene.put(.signatureDatabase, SignatureDatabase(lists: [list]).serialize())
    try scene.put(.machineOwnerKeys, certificates: [SigningKey("Debian").certificate.der])
    try scene.put(.secureBoot, [1])
    try scene.apply()
    try scene.boot(nil)
    return scene
  }

  func apply() throws {
    var options = ApplyOptions()
    options.lockTimeout = 0
    let report = try Apply.run(options, on: host())
    try #require(report.failures.isEmpty, "\(report.failures)")
  }

  func state() throws -> MachineState { try MachineState(of: host()) }

  /// Runs the next command of the state as a shell would; the firmware's menu and a boot are the test's.
  func runNext(_ state: MachineState) throws {
    let words = try #require(state.nextCommand).description.split(separator: " ").map(String.init)
    switch Array(words.prefix(3)) {
    case ["pve-sb-uki", "keys", "create"]: _ = try KeysCreate().run(on: host())
    case ["pve-sb-uki", "apply"]: try apply()
    case ["pve-sb-uki", "enroll", "--stage"]: _ = try StageKeys().run(on: host())
    case ["pve-sb-uki", "enroll", "--firmware"]: try enrolAll()
    case ["pve-sb-uki", "enroll", "--mok"]: _ = try EnrolMOK().run(on: hostWithMokutil())
    default: Issue.record("not a command that this test knows: \(words)")
    }
  }
}
