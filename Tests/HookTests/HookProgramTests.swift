// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import Glibc
import HostSystem
import TestSupport
import Testing
import pve_sb_uki_hook

@Suite struct HookProgramTests {
  private static let release = "6.8.12-10-pve"
  private static let postinst = "/etc/kernel/postinst.d/zz-pve-sb-uki"
  private static let postrm = "/etc/kernel/postrm.d/zz-pve-sb-uki"
  private static let postUpdate = "/etc/initramfs/post-update.d//zz-pve-sb-uki"
  private static let all = [postinst, postrm, postUpdate]
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try addKernel()
    try directory.write("usr/lib/systemd/boot/efi/linuxx64.efi.stub", Fixture.stub257.bytes())
    try directory.write("usr/lib/os-release", "ID=debian\n")
    try directory.write("etc/kernel/cmdline", "root=/dev/mapper/pve-root ro\n")
    try directory.write("efi/EFI/file", "")
    let key = try SigningKey()
    try directory.write("etc/pve-sb-uki/keys/db.key", key.identity.key.serializedPEM(), mode: 0o600)
    try directory.write("etc/pve-sb-uki/keys/db.crt", key.certificate.serializedPEM())
  }

  /// A stub stands in for the kernel: it is a PE file for the same machine, and small.
  private func addKernel() throws {
    try directory.write("boot/vmlinuz-\(Self.release)", Fixture.stub257.bytes())
    try directory.write("boot/initrd.img-\(Self.release)", "initrd")
    try directory.write("lib/modules/\(Self.release)/modules.dep", "")
  }

  private func run(_ hook: String, parameters: String? = nil) throws -> (code: Int32, text: String, changes: Int) {
    let recorder = MutationRecorder()
    var host = try directory.host(gate: recorder.gate)
    host.now = { SigningKey.now }
    host.environment = { $0 == "DEB_MAINT_PARAMS" ? parameters : nil }
    var text = ""
    let program = HookProgram(host: host, say: { text += $0 })
    let code = program.run([hook, Self.release, "/boot/vmlinuz-\(Self.release)"])
    return (code, text, recorder.mutations.count)
  }

  private let signed = "pve-sb-uki: EFI/Linux/pve-\(release).efi signed\n"

  @Test(arguments: all) func anImageIsMadeOnceAndSaidInOneLine(hook: String) throws {
    let first = try run(hook)
    #expect(first.code == 0 && first.text == signed)
    for hook in Self.all {
      let second = try run(hook)
      #expect(second.code == 0 && second.text.isEmpty && second.changes == 0)
    }
  }

  @Test func upgradesAreIgnored() throws {
    for hook in [Self.postinst, Self.postrm] {
      let result = try run(hook, parameters: "upgrade 6.8.12-11")
      #expect(result.code == 0 && result.text.isEmpty && result.changes == 0)
    }
    #expect(try run(Self.postinst, parameters: "configure ").text == signed)
  }

  @Test(arguments: all) func aFailureIsSaidAndRememberedButBreaksNothing(hook: String) throws {
    try directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    let result = try run(hook)
    #expect(result.code == 0 && result.text.hasPrefix("pve-sb-uki: error: ") && result.text.contains("db.key"))
    #expect(try FailureRecord.load(from: directory.host().files) != nil)
  }

  @Test func strictFailsThePostinstOnly() throws {
    try directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Strict=yes\n")
    #expect(try run(Self.postinst).code == 1)
    #expect(try run(Self.postrm).code == 0)
    #expect(try run(Self.postUpdate).code == 0)
  }

  @Test(arguments: all) func wrongSettingsAreSaid(hook: String) throws {
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Strict=yes\nBogus=yes\n")
    let result = try run(hook)
    #expect(result.code == 0 && result.text.contains("pve-sb-uki.conf, line 2") && result.text.contains("\nhint: "))
  }

  @Test func aKernelWithoutInitrdIsAFailureOfItsOwnPostinst() throws {
    unlink(directory.path(of: "boot/initrd.img-\(Self.release)"))
    let result = try run(Self.postinst)
    #expect(result.code == 0 && result.text.contains("error: kernel \(Self.release) gets no image"))
    #expect(try run(Self.postUpdate).text.isEmpty)
  }

  @Test(arguments: all) func whereItDoesNotApplyThereIsSilence(hook: String) throws {
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Enabled=no\n")
    #expect(try run(hook) == (0, "", 0))
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "")
    unlink(directory.path(of: "etc/pve-sb-uki/keys/db.key"))
    #expect(try run(hook) == (0, "", 0))
    rename(directory.path(of: "efi"), directory.path(of: "not-efi"))
    #expect(try run(hook) == (0, "", 0))
  }

  @Test func calledByItsOwnNameItSaysWhatItIs() throws {
    let result = try run("/usr/libexec/pve-sb-uki/pve-sb-uki-hook")
    #expect(result.code == 2 && result.text.contains("pve-sb-uki apply"))
  }
}
