// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Findings
import Glibc
import HostSystem
import Messages
import StartupCheck
import TestSupport
import Testing

@Suite struct StartupSurveyTests {
  private let scene: StartupScene
  private let release = StartupScene.release
  init() throws { scene = try StartupScene() }

  @Test func aCompleteUKIHasNoFindings() throws {
    #expect(try scene.findings().map(\.text) == [])
    // As Debian's initrds: microcode first, the rest compressed.
    let microcode = RAMDiskBytes.archive([RAMDiskBytes.Member("kernel/x86/microcode/AuthenticAMD.bin", "code")])
    let packed = try ExternalTool("zstd").run(["-c"], input: StartupScene.initrd())
    #expect(try scene.findings(of: StartupScene.image(initrd: microcode + packed)).isEmpty)
    #expect(try scene.findings(of: StartupScene.image(initrd: packed, microcode: microcode)).isEmpty)
  }

  // MARK: The kernel

  @Test func aKernelWithoutModulesIsIncomplete() throws {
    for name in ["modules.dep", "modules.builtin"] {
      unlink(scene.directory.path(of: "lib/modules/\(release)/\(name)"))
    }
    let found = try scene.findings()
    #expect(found.map(\.kind) == [.kernelIncomplete])
    #expect(found[0].text.contains("modules.dep does not exist") && found[0].commandText == "depmod \(release)")
    rmdir(scene.directory.path(of: "lib/modules/\(release)"))
    let gone = try scene.findings()
    #expect(gone.map(\.kind) == [.kernelIncomplete] && gone[0].text.contains("has no modules"))
    #expect(gone[0].commandText == "apt install --reinstall proxmox-kernel-\(release)-signed")
    unlink(scene.directory.path(of: "var/lib/dpkg/info/proxmox-kernel-\(release)-signed.list"))
    #expect(try scene.findings().first?.commandText == nil)
  }

  @Test func theKernelInAUKIIsTheOneInItsName() throws {
    let missing = try scene.findings(of: StartupScene.image(initrd: StartupScene.initrd(), uname: nil))
    #expect(missing.map(\.kind) == [.kernelIncomplete] && missing[0].text.contains(".uname is missing"))
    let other = try scene.findings(of: StartupScene.image(initrd: StartupScene.initrd(), uname: "6.8.12-4-pve"))
    #expect(other.map(\.kind) == [.kernelIncomplete] && other[0].text.contains("contains kernel 6.8.12-4-pve"))
    #expect(other[0].commandText == "pve-sb-uki apply --force --kernel \(release)")
  }

  // MARK: The command line

  private func configured(_ text: String) -> CommandLine {
    CommandLine(parts: [CommandLine.Part(path: "/etc/kernel/cmdline", text: text)])
  }

  @Test func aCommandLineOtherThanTheConfiguredOneIsReported() throws {
    let image = try StartupScene.image(initrd: StartupScene.initrd())
    #expect(try scene.findings(of: image) { $0.configured = configured(StartupScene.line) }.isEmpty)
    let found = try scene.findings(of: image) { $0.configured = configured("root=/dev/mapper/pve-root ro debug") }
    #expect(found.map(\.kind) == [.commandLineDiffers] && found[0].commandText == "pve-sb-uki apply")
    #expect(found[0].text.hasSuffix(StartupScene.line))
  }

  @Test func aRootThatDoesNotExistIsReported() throws {
    let image = try StartupScene.image("root=UUID=none ro", initrd: StartupScene.initrd())
    let found = try scene.findings(of: image)
    #expect(found.map(\.kind) == [.rootMissing] && found[0].commandText == "pve-sb-uki cmdline edit")
    #expect(found[0].text.contains("/dev/disk/by-uuid/none does not exist"))
    let cured = try scene.findings(of: image) { $0.configured = configured(StartupScene.line) }
    #expect(cured.map(\.kind) == [.commandLineDiffers, .rootMissing] && cured[1].commandText == "pve-sb-uki apply")
  }

  @Test func theRunningLineIsProven() throws {
    try scene.directory.write("proc/cmdline", "BOOT_IMAGE=x root=UUID=none ro\n")
    #expect(try scene.findings("root=UUID=none ro").isEmpty)
    #expect(try scene.findings("root=UUID=none rw").map(\.kind) == [.rootMissing])
  }

  /// gpt-auto is for systemd, which initrds made by dracut contain.
  @Test func theInitrdInTheUKIDecidesHowTheLineIsRead() throws {
    #expect(try scene.findings("root=gpt-auto").map(\.kind) == [.rootMissing])
    let dracut = RAMDiskBytes.archive([
      .link("init", to: "usr/lib/systemd/systemd"), .directory("usr/lib/dracut"),
      RAMDiskBytes.Member("usr/lib/modules/\(release)/modules.dep"),
    ])
    #expect(try scene.findings("root=gpt-auto", initrd: dracut).isEmpty)
    let line = "\(StartupScene.line) rd.luks.uuid=luks-0a3407de-014b-458b-b5c1-848e92a327a3"
    let found = try scene.findings(line, initrd: dracut)
    #expect(found.contains { $0.kind == .rootMissing && $0.text.contains("by-uuid/0a3407de") })
    #expect(try !scene.findings(line).contains { $0.kind == .rootMissing })
  }

  // MARK: The initrd

  @Test func anInitrdWithoutInitOrModulesIsIncomplete() throws {
    let none = RAMDiskBytes.archive([RAMDiskBytes.Member("usr/lib/modules/\(release)/modules.dep")])
    let found = try scene.findings(initrd: none)
    #expect(found.map(\.kind) == [.initrdIncomplete] && found[0].text.contains("lacks the program /init"))
    #expect(found[0].commandText == "update-initramfs -u -k \(release)")
    let other = try scene.findings(initrd: RAMDiskBytes.initrd(of: "6.8.12-4-pve"))
    #expect(other.map(\.kind) == [.initrdIncomplete] && other[0].text.contains("directory lib/modules/\(release)"))
    let unlisted = RAMDiskBytes.archive([
      RAMDiskBytes.Member("init"), RAMDiskBytes.Member("lib/modules/\(release)/kernel/a.ko"),
    ])
    #expect(try scene.findings(initrd: unlisted).first?.text.contains("modules.dep") == true)
    // A kernel without modules needs none.
    try scene.writeModules(dependencies: "", builtIn: "kernel/fs/ext4/ext4.ko\n")
    #expect(try scene.findings(initrd: RAMDiskBytes.archive([RAMDiskBytes.Member("init")])).isEmpty)
  }

  @Test func anInitrdThatTheKernelCannotUnpackIsIncomplete() throws {
    let initrd = StartupScene.initrd()
    for bytes in [
      Array("no initrd".utf8), Array(initrd.dropLast(200)), try ExternalTool("lz4").run(["-c"], input: initrd),
    ] {
      let found = try scene.findings(initrd: bytes)
      #expect(found.map(\.kind) == [.initrdIncomplete] && found[0].text.contains("cannot unpack its initrd"))
    }
    let unknown = try scene.findings(initrd: ExternalTool("lzop").run(["-c"], input: initrd))
    #expect(unknown.map(\.kind) == [.remark] && unknown[0].text.contains("not examined"))
  }

  @Test func aUKIThatCannotBeReadIsARemark() throws {
    struct Broken: Error {}
    let found = try scene.findings(of: []) { $0.open = { throw Broken() } }
    #expect(found.map(\.kind) == [.remark])
    // Truncated or damaged UKIs are ESPReader's subject, but must not end the survey.
    let image = try StartupScene.image(initrd: StartupScene.initrd())
    for variant in Mutations(of: Array(image.prefix(2000)), count: 200) {
      #expect(try scene.findings(of: variant + image.dropFirst(2000)).count <= 4)
    }
  }

  @Test func filesInAnotherFileSystemAreNotExamined() throws {
    let squashed = RAMDiskBytes.archive([RAMDiskBytes.Member("init"), RAMDiskBytes.Member("squashfs-root.img", "hsqs")])
    let found = try scene.findings(initrd: squashed)
    #expect(found.map(\.kind) == [.remark] && found[0].text.contains("another file system"))
  }

  @Test func theUKIThatTheSystemWasBootedFromIsProven() throws {
    let image = try StartupScene.image("root=UUID=none", initrd: RAMDiskBytes.archive([]))
    #expect(try scene.findings(of: image).count == 2)
    #expect(try scene.findings(of: image) { $0.isProven = true }.isEmpty)
  }

  // MARK: dkms

  @Test func modulesThatDKMSBuiltOnlyForTheRunningKernelAreReported() throws {
    let running = "6.8.12-4-pve"
    func found() throws -> [Finding] {
      var host = try scene.host()
      host.kernelRelease = running
      let image = try StartupScene.image(initrd: StartupScene.initrd())
      var survey = StartupSurvey(on: host, known: StartupRecord())
      return survey.examine(StartupSurvey.Image(scene.kernel, name: "UKI") { image }).findings
    }
    try scene.directory.write("var/lib/dkms/igc/1.0/\(running)/x86_64/module/igc-new.ko.zst", "m")
    try scene.directory.write("var/lib/dkms/zfs/2.2/\(running)/x86_64/module/zfs.ko", "m")
    let lacking = try found()
    #expect(lacking.map(\.kind) == [.moduleMissing] && lacking[0].text.hasSuffix("running kernel: igc_new"))
    #expect(lacking[0].commandText == "dkms autoinstall -k \(release)")
    try scene.directory.write("var/lib/dkms/igc/1.0/\(release)/x86_64/module/igc-new.ko.zst", "m")
    #expect(try found().isEmpty)
  }
}
