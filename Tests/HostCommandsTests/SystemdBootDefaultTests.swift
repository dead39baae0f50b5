// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Glibc
import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// Promise I1 with systemd-boot between firmware and UKIs, where each run of Proxmox's hook writes its own default to
/// loader.conf: the boot order never leads only to entries that Secure Boot rejects.
@Suite struct SystemdBootDefaultTests {
  private let machine: MirrorScene
  private let serials = MirrorScene.serials
  private let newer = ApplyScene.newer
  private let older = ApplyScene.older
  private static let key = Result { try SigningKey() }

  init() throws {
    let key = try Self.key.get()
    machine = try MirrorScene(key: key, isApplied: false)
    try machine.directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot257.bytes())
    try machine.directory.write(Configuration.path, "Chain=systemd-boot\n")
    for serial in serials {
      try machine.directory.write(machine.path(serial, LoaderConfiguration.path), "timeout 3\ndefault proxmox-*\n")
      try machine.directory.write(machine.path(serial, "/loader/entries/proxmox-\(newer).conf"), "linux /x\n")
    }
    try machine.put(.secureBoot, [1])
    try machine.put(.setupMode, [0])
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    let data = SignatureDatabase(certificates: [key.certificate.der], owner: owner).serialize()
    let content = EFIVariableContent(attributes: .keyDatabase, data: data)
    try machine.directory.write(
      "\(EFIVariableStore.directory)/\(EFIVariableName.signatureDatabase.fileName)", content.serialize())
  }

  private func variable() throws -> String? {
    LoaderDefault.variable(in: EFIVariableStore(of: try machine.host().files))
  }
  private func setVariable(_ text: String) throws {
    try machine.put(.loaderEntryDefault, EFIText.serialize(text))
  }
  private func defaults() throws -> [String?] {
    try serials.map { serial in
      LoaderConfiguration.defaultEntry(
        in: try #require(try machine.directory.read(machine.path(serial, LoaderConfiguration.path))))
    }
  }
  private func settles() throws -> Bool {
    let recorder = MutationRecorder()
    let result = try machine.apply(on: machine.host(recorder.gate))
    return recorder.mutations.isEmpty && result.failures.isEmpty
  }
  private final class Seen: @unchecked Sendable { var texts: [String?] = [] }

  /// Does what Proxmox's hook does on each ESP.
  private func proxmoxRuns() throws {
    for serial in serials {
      try machine.directory.write(machine.path(serial, LoaderConfiguration.path), "timeout 3\ndefault proxmox-*\n")
    }
  }
  private func removeKernel(_ release: String) {
    for name in ["boot/vmlinuz-\(release)", "boot/initrd.img-\(release)"] { unlink(machine.directory.path(of: name)) }
  }

  @Test func theVariableOverridesTheDefaultOfProxmox() throws {
    let result = try machine.apply()
    #expect(result.failures.isEmpty && result.notes.allSatisfy { !$0.contains("bootctl") })
    #expect(try variable() == "pve-*.efi" && defaults() == ["pve-*.efi", "pve-*.efi"])
    #expect(try settles())
    removeKernel(newer)
    #expect(try machine.apply().failures.isEmpty)
    #expect(try variable() == "pve-*.efi" && settles())
  }

  /// If systemd-boot's default leads to something that the firmware rejects, the firmware tries the next entry.
  @Test func imagesHaveEntriesAfterThoseOfSystemdBoot() throws {
    try machine.apply()
    let expected = [
      "systemd-bootx64.efi on 0", "systemd-bootx64.efi on 1", "pve-\(newer).efi on 0", "pve-\(newer).efi on 1",
      "pve-\(older).efi on 0", "pve-\(older).efi on 1", "grubx64.efi on 0",
    ]
    #expect(try machine.order() == expected)
    // Also after systemd-boot has started the machine.
    let first = try #require(try machine.variables().order.first)
    try machine.put(.bootCurrent, BootOrder([first]).serialize())
    #expect(try settles() && machine.order() == expected)
  }

  @Test func theDefaultChangesBeforeAnUnpinnedImageIsRemoved() throws {
    try machine.directory.write(ProxmoxLists.pinPath, older)
    try machine.apply()
    #expect(
      try variable() == "pve-\(older).efi" && defaults() == ["pve-\(older).efi", "pve-\(older).efi"] && settles())
    unlink(machine.directory.path(of: ProxmoxLists.pinPath))
    removeKernel(older)
    let seen = Seen()
    let store = EFIVariableStore(of: try machine.host().files)
    let images = serials.map { machine.directory.path(of: machine.path($0, "/EFI/Linux/pve-\(older).efi")) }
    let host = try machine.host { mutation in
      if images.contains(where: { access($0, F_OK) != 0 }) || mutation.path.contains("pve-\(ApplyScene.older).efi") {
        seen.texts.append(LoaderDefault.variable(in: store))
      }
    }
    #expect(try machine.apply(on: host).failures.isEmpty)
    #expect(seen.texts.count > 4 && seen.texts.allSatisfy { $0 == "pve-*.efi" })
    #expect(try settles())
  }

  @Test func anAdministratorsDefaultIsKeptAndChecked() throws {
    try machine.apply()
    try setVariable("pve-\(older).efi")
    let harmless = try machine.apply()
    #expect(harmless.failures.isEmpty && harmless.notes.contains { $0.contains("boot prefer --none") })
    #expect(try variable() == "pve-\(older).efi")
    try setVariable("proxmox-*")
    let result = try machine.apply()
    #expect(try variable() == "proxmox-*")
    #expect(
      result.failures.map(\.description).contains { $0.contains("proxmox-\(newer).conf") && $0.contains(serials[0]) })
    #expect(result.failures.first?.hint == "pve-sb-uki boot prefer --none")
    #expect(try Status().run(on: machine.host()).needsAttention)
    #expect(try machine.apply { $0.takesOverDefault = true }.failures.isEmpty)
    #expect(try variable() == "pve-*.efi" && settles())
    // A name that is on no ESP is not a choice of the administrator.
    try setVariable("pve-5.0.0-1-pve.efi")
    #expect(try machine.apply().failures.isEmpty && variable() == "pve-*.efi")
    // Without Secure Boot it is only a note.
    try machine.put(.secureBoot, [0])
    try setVariable("proxmox-*")
    #expect(try machine.apply().failures.isEmpty && variable() == "proxmox-*")
  }

  @Test func aDefaultWrittenByProxmoxIsCorrected() throws {
    try machine.apply()
    try proxmoxRuns()
    LoaderDefaultRestoration.run(on: try machine.host())
    #expect(try defaults() == ["pve-*.efi", "pve-*.efi"])
    let text = String(
      decoding: try machine.directory.read(machine.path(serials[0], LoaderConfiguration.path)) ?? [], as: UTF8.self)
    #expect(text == "timeout 3\ndefault pve-*.efi\n")
    let recorder = MutationRecorder()
    LoaderDefaultRestoration.run(on: try machine.host(recorder.gate))
    #expect(recorder.mutations.allSatisfy { $0.path == Apply.lockPath })
    #expect(try settles())
    // Without EFI variables, without a key, and with an ESP that cannot be reached.
    try proxmoxRuns()
    try machine.directory.write("etc/pve-sb-uki/keys/db.key", "no key")
    rename(
      machine.directory.path(of: EFIVariableStore.directory),
      machine.directory.path(of: "\(EFIVariableStore.directory).away"))
    var host = try machine.host()
    let good = host.partitions
    host.partitions = PartitionAccess { [serials] device, access, label in
      if device.hasSuffix(serials[0]) { throw HostError("mount", device, errno: EIO) }
      return try good.mount(device: device, access: access, label: label)
    } facts: {
      try good.facts(device: $0)
    }
    LoaderDefaultRestoration.run(on: host)
    #expect(try defaults() == ["proxmox-*", "pve-*.efi"])
    try machine.directory.write(Configuration.path, "Enabled=no\n")
    LoaderDefaultRestoration.run(on: try machine.host())
    #expect(try defaults() == ["proxmox-*", "pve-*.efi"])
  }

  @Test func aMissingPinnedImageIsNotMadeTheDefault() throws {
    try machine.directory.write(ProxmoxLists.pinPath, older)
    try machine.apply()
    unlink(machine.directory.path(of: machine.path(serials[1], "/EFI/Linux/pve-\(older).efi")))
    try proxmoxRuns()
    LoaderDefaultRestoration.run(on: try machine.host())
    #expect(try defaults() == ["pve-\(older).efi", "pve-*.efi"])
  }

  /// Booting once through another chain does not change the choice.
  @Test func autoKeepsSystemdBootAfterAFallbackBoot() throws {
    try machine.directory.write(Configuration.path, "")
    try machine.apply()
    #expect(try machine.order().first == "systemd-bootx64.efi on 0")
    try machine.directory.write("proc/stat", "btime \(SigningKey.now)\n")
    try machine.put(.stubInfo, EFIText.serialize("systemd-stub 257"))
    try machine.put(.stubImageIdentifier, EFIText.serialize("\\EFI\\Linux\\pve-\(newer).efi"))
    try machine.apply()
    #expect(try machine.order().first == "systemd-bootx64.efi on 0")
  }

  @Test func retireKeepsTheMachineBootable() throws {
    try machine.apply()
    var retire = BootRetire()
    retire.lockTimeout = 0
    let enforced = try retire.run(on: machine.host())
    #expect(enforced.isEnforced && enforced.steps.isEmpty && enforced.kernels == [newer, older])
    #expect(enforced.notes.first?.contains("Secure Boot is on") == true)
    #expect(try variable() == "pve-*.efi")
    try machine.put(.secureBoot, [0])
    retire.isDryRun = true
    #expect(try retire.run(on: machine.host()).steps.count == 1 && variable() == "pve-*.efi")
    retire.isDryRun = false
    #expect(try retire.run(on: machine.host()).steps.count == 1 && variable() == nil)
    #expect(try retire.run(on: machine.host()).steps.isEmpty)
    try setVariable("windows.conf")
    #expect(try retire.run(on: machine.host()).steps.isEmpty && variable() == "windows.conf")
  }

  @Test(arguments: ["fail", "kill"]) func aFailureAtAnyChangeLeavesABootableDefault(mode: String) throws {
    try machine.apply()
    try machine.directory.write(ProxmoxLists.pinPath, older)
    try proxmoxRuns()
    for number in 1... {
      let recorder = MutationRecorder(mode == "fail" ? .only(number) : .from(number))
      let isDone = (try? machine.apply(on: machine.host(recorder.gate)))?.failures.isEmpty == true
      let text = try #require(try variable())
      for serial in serials {
        let names = try machine.directory.list(machine.path(serial, "/EFI/Linux"))
        let choice = try #require(LoaderDefault.choice(of: text, among: names), "\(mode) at change \(number)")
        #expect(choice.hasPrefix("pve-"))
      }
      #expect(try machine.order().contains("pve-\(newer).efi on 1"))
      if isDone { break }
    }
    try machine.apply()
    #expect(try settles() && variable() == "pve-\(older).efi")
  }
}
