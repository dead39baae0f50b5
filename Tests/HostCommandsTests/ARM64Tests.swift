// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import HostCommands
import HostScenes
import HostSystem
import Messages
import PortableExecutable
import Reconcile
import TestSupport
import Testing

/// A root for arm64 on any machine, with the file names of UEFI 2.10 section 3.5.1.1 and the Debian packages for arm64.
@Suite struct ARM64Tests {
  /// A scene whose programs and kernels are for arm64.
  private func scene(
    _ settings: String = "", stub: Fixture = .stub257ForARM64, systemdBoot: Fixture = .systemdBoot257ForARM64
  ) throws -> ApplyScene {
    let scene = try ApplyScene(kernels: [])
    try FileSystem().remove(scene.directory.path(of: "usr/lib/systemd/boot/efi/linuxx64.efi.stub"))
    try scene.directory.write("usr/lib/systemd/boot/efi/linuxaa64.efi.stub", stub.bytes())
    try scene.directory.write("usr/lib/systemd/boot/efi/systemd-bootaa64.efi", systemdBoot.bytes())
    try scene.addKernel(ApplyScene.newer)
    try scene.directory.write("boot/vmlinuz-\(ApplyScene.newer)", Fixture.stub257ForARM64.bytes())
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", settings)
    return scene
  }

  @Test(arguments: [
    (Fixture.stub252ForARM64, Fixture.systemdBoot252ForARM64), (.stub257ForARM64, .systemdBoot257ForARM64),
  ])
  func applyInstallsARM64Programs(stub: Fixture, systemdBoot: Fixture) throws {
    let scene = try scene("Chain=systemd-boot\nRemovable=yes\n", stub: stub, systemdBoot: systemdBoot)
    #expect(try scene.host().machine == .arm64)
    #expect(try scene.apply().failures.isEmpty)
    let paths = [
      "EFI/Linux/pve-\(ApplyScene.newer).efi", "EFI/pve-sb-uki/systemd-bootaa64.efi", "EFI/BOOT/BOOTAA64.EFI",
    ]
    for path in paths {
      let bytes = try #require(try scene.directory.read("boot/efi/\(path)"))
      let start = Int(bytes[0x3c]) | Int(bytes[0x3d]) << 8
      #expect(Array(bytes[start..<start + 6]) == [0x50, 0x45, 0, 0, 0x64, 0xaa], "\(path)")
      let certificate = try scene.key.certificateFile()
      try withExtendedLifetime(certificate) {
        _ = try ExternalTool("sbverify").run(["--cert", certificate.path, scene.directory.path(of: "boot/efi/\(path)")])
      }
    }
    #expect(try scene.directory.list("boot/efi/EFI/BOOT") == ["BOOTAA64.EFI"])
    #expect(try scene.apply().isChange == false)
  }

  @Test func aMissingShimIsReportedWithItsARM64Path() throws {
    let result = try scene("Chain=shim\n").apply()
    #expect(result.failures.contains { $0.description.contains("/usr/lib/shim/shimaa64.efi.signed") })
  }

  @Test func loaderPathsDependOnTheArchitecture() {
    let loaders = LoaderPath(.arm64)
    #expect(
      loaders.all.map { $0.split(separator: "/").last.map(String.init) } == [
        "systemd-bootaa64.efi", "shimaa64.efi", "mmaa64.efi", "BOOTAA64.EFI", "grubaa64.efi", "mmaa64.efi",
      ])
    #expect(loaders.removableFallback == "/EFI/BOOT/fbaa64.efi")
    #expect(LoaderPath(.amd64).removable == "/EFI/BOOT/BOOTX64.EFI")
    let programs = BootPrograms(.arm64)
    #expect(programs.mokManagerPackage == "shim-helpers-arm64-signed")
    #expect(programs.mokManager == "/usr/lib/shim/mmaa64.efi.signed")
  }

  @Test func buildUsesTheStubForTheKernelsArchitecture() throws {
    let scene = try scene()
    var build = BuildImage(
      linux: Fixture.systemdBoot257ForARM64.path,
      initrds: [scene.directory.path(of: "boot/initrd.img-\(ApplyScene.newer)")])
    build.output = scene.directory.path(of: "arm64.efi")
    _ = try build.run(on: scene.host())
    let report = try InspectImage(path: scene.directory.path(of: "arm64.efi")).run(on: scene.host())
    #expect(report.machine == "AArch64" && report.isUnifiedKernelImage)
    build.linux = Fixture.kernel61.path
    let error = try #require(thrown(Failure.self) { _ = try build.run(on: scene.host()) })
    #expect(error.description.contains("/usr/lib/systemd/boot/efi/linuxx64.efi.stub"))
  }
}
