// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import HostScenes
import HostSystem
import Reconcile
import TestSupport
import Testing

/// Profiles and trials in the firmware's variables, for each chain.
@Suite struct TrialChainTests {
  private let mirror: MirrorScene

  init() throws {
    mirror = try MirrorScene(isApplied: false)
    try mirror.directory.write("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000001\n")
    try mirror.directory.write("proc/stat", "btime 1000\n")
    for (name, text) in [("rescue", "Title=Rescue\nAdd=single\n"), ("hidden", "Entry=no\n")] {
      try mirror.directory.write("etc/pve-sb-uki/profiles.d/\(name).conf", text)
    }
  }

  private func apply(_ settings: String) throws -> ApplyReport {
    try mirror.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", settings)
    return try mirror.apply()
  }

  private func entries() throws -> [(label: String, data: String?)] {
    let variables = try mirror.variables()
    return variables.order.compactMap { variables[$0]?.option }.map { ($0.description, EFIText.parse($0.optionalData)) }
  }

  @Test func theFirstKernelGetsAnEntryForEachProfile() throws {
    #expect(try apply("Chain=direct\n").failures.isEmpty)
    let found = try entries().filter { $0.label.contains("Rescue") }
    #expect(
      found.map(\.label) == [
        "Proxmox VE \(MirrorScene.newer) (Rescue)",
        "Proxmox VE \(MirrorScene.newer) (Rescue) (\(MirrorScene.serials[1]))",
      ])
    // Files are read in the order of their names: "hidden" is profile 1.
    #expect(found.map(\.data) == ["@2", "@2"])
    #expect(try !entries().contains { $0.label.contains("hidden") })
    let recorder = MutationRecorder()
    try mirror.apply(on: mirror.host(recorder.gate))
    #expect(recorder.mutations.isEmpty)
    // Without the profile, its entries go and the UKIs are made anew.
    try mirror.host().files.remove("/etc/pve-sb-uki/profiles.d/rescue.conf")
    let report = try mirror.apply()
    #expect(report.images.allSatisfy { $0.state == .signed || $0.state == .copied })
    #expect(try !entries().contains { $0.label.contains("Rescue") })
  }

  @Test func aStubWithoutProfilesIsNoted() throws {
    try mirror.directory.write("usr/lib/systemd/boot/efi/linuxx64.efi.stub", Fixture.stub252.bytes())
    for release in [MirrorScene.newer, MirrorScene.older] {
      try mirror.directory.write("boot/vmlinuz-\(release)", Fixture.kernel61.bytes())
    }
    let report = try apply("Chain=direct\n")
    #expect(report.failures.isEmpty && report.notes.contains { "\($0)".contains("the UKIs have none") })
    #expect(try !entries().contains { $0.label.contains("Rescue") })
  }

  /// systemd-boot has an entry for each profile itself.
  @Test func systemdBootIsToldByItsVariable() throws {
    let key = EFIVariableName.loaderEntryOneShot
    try mirror.directory.write("usr/lib/systemd/boot/efi/systemd-bootx64.efi", Fixture.systemdBoot257.bytes())
    _ = try apply("Chain=systemd-boot\nPromotion=trial\n")
    #expect(LoaderDefault.text(of: key, in: try mirror.host().variables) == nil)
    #expect(try !entries().contains { $0.label.contains("Rescue") })
    // The older one is known to boot.
    try mirror.put(.stubInfo, EFIText.serialize("systemd-stub 257.9-1"))
    try mirror.put(.stubImageIdentifier, EFIText.serialize("\\EFI\\Linux\\pve-\(MirrorScene.older).efi"))
    try mirror.directory.write("proc/stat", "btime 4000000000\n")
    try mirror.directory.write("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000002\n")
    try BootConfirmation.write(on: mirror.host())
    let report = try mirror.apply()
    #expect(report.failures.isEmpty)
    #expect(
      LoaderDefault.text(of: key, in: try mirror.host().variables) == "pve-\(MirrorScene.newer).efi@trial")
    #expect(LoaderDefault.variable(in: try mirror.host().variables) == "pve-\(MirrorScene.older).efi")
    let recorder = MutationRecorder()
    try mirror.apply(on: mirror.host(recorder.gate))
    #expect(recorder.mutations.isEmpty)
    // Taken back.
    _ = try apply("Chain=systemd-boot\nPromotion=immediate\n")
    #expect(LoaderDefault.text(of: key, in: try mirror.host().variables) == nil)
  }

  @Test func shimGetsPathAndProfile() {
    #expect(
      EFIText.parse(BootChain.shimOption(starting: "/EFI/Linux/pve-1.efi", profile: 3)) == "\\EFI\\Linux\\pve-1.efi @3")
  }
}
