// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Findings
import HostCommands
import HostScenes
import HostSystem
import KeyEnrolment
internal import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct MachineStateTests {
  private func kinds(_ state: MachineState) -> [FindingKind] { state.findings.map(\.kind) }

  private func command(_ state: MachineState) -> String? { state.nextCommand?.description }

  /// From the installation to the first boot, each next command leads to the next state.
  @Test func everyNextCommandLeadsToTheNextState() throws {
    let scene = try GuideScene(hasKeys: false)
    try scene.boot(nil)
    var state = try scene.state()
    #expect(state.stage == .noKeys && command(state) == "pve-sb-uki keys create")
    try KeysFixture.install(in: scene.directory)

    state = try scene.state()
    #expect(state.stage == .keysMade && command(state) == "pve-sb-uki apply")
    try scene.runNext(state)

    state = try scene.state()
    #expect(state.stage == .notEnrolled && command(state) == "pve-sb-uki enroll --stage")
    #expect(kinds(state) == [.keyNotEnrolled, .secureBootOff])
    #expect(state.findings.allSatisfy { $0.command == state.nextCommand })
    try scene.runNext(state)

    state = try scene.state()
    #expect(state.stage == .readyToEnrol && command(state) == "systemctl reboot --firmware-setup")
    #expect(kinds(state) == [.keyNotEnrolled, .secureBootOff])
    #expect(state.lines.map(\.description).contains("Delete the platform key (PK), which starts Setup Mode."))
    #expect(state.lines.contains { $0.contains("Enrol db, then KEK, then PK, from EFI/pve-sb-uki on the ESP") })
    #expect(try Array(state.lines.dropFirst()) == MenuWalk(of: scene.host()).steps(.replaceAll(isInSetupMode: false)))
    #expect(state.lines.last == "Turn Secure Boot on, and save.")

    try scene.put(.signatureDatabase, certificates: [scene.certificate()])
    state = try scene.state()
    #expect(state.stage == .enrolled && command(state) == "systemctl reboot --firmware-setup")
    #expect(kinds(state) == [.secureBootOff])
    #expect(state.ifSecureBootWereOn?.contains("would start the UKIs: the certificate") == true)

    try scene.put(.secureBoot, [1])
    state = try scene.state()
    #expect(state.stage == .notBooted && command(state) == "systemctl reboot" && kinds(state) == [.notBooted])
    #expect(state.ifSecureBootWereOn == nil)

    try scene.boot()
    state = try scene.state()
    #expect(state.stage == .booted && state.nextCommand == nil && state.findings.isEmpty)
  }

  /// In Setup Mode, the running system enrols the keys.
  @Test func setupModeNeedsNoMenu() throws {
    let scene = try GuideScene()
    try scene.apply()
    try scene.put(.setupMode, [1])
    var state = try scene.state()
    #expect(state.stage == .notEnrolled && kinds(state) == [.keyNotEnrolled, .setupMode])
    #expect(command(state) == "pve-sb-uki enroll --firmware")
    // db is enrolled first; a power cut comes before PK.
    try scene.put(.signatureDatabase, certificates: [scene.certificate()])
    state = try scene.state()
    #expect(state.stage == .enrolled && kinds(state) == [.setupMode])
    #expect(command(state) == "pve-sb-uki enroll --firmware")
    try scene.runNext(state)
    state = try scene.state()
    #expect(state.stage == .enrolled && command(state) == "systemctl reboot --firmware-setup")
    // Written since the machine was started, the firmware has had no chance yet to turn Secure Boot on.
    for (finished, next) in [(5, "systemctl reboot"), (-5, "systemctl reboot --firmware-setup")] {
      var record = EnrolmentRecord(undo: "/undo", started: SigningKey.now, certificates: [:])
      record.finished = SigningKey.now + Int64(finished)
      try record.save(to: scene.host().files)
      #expect(try command(scene.state()) == next)
    }
  }

  /// Files for the menu are on the ESP, and the menu has started Setup Mode.
  @Test func stagedKeysInSetupModeNeedNoDeletedPlatformKey() throws {
    let scene = try GuideScene()
    try scene.apply()
    try scene.runNext(scene.state())
    try scene.put(.setupMode, [1])
    let state = try scene.state()
    #expect(state.stage == .readyToEnrol && !state.lines.contains { $0.contains("Delete the platform key") })
    #expect(state.lines.last == "Or write them from here: pve-sb-uki enroll --firmware")
  }

  /// PK and KEK have to be made first.
  @Test func aSigningPairInSetupModeGetsAHierarchy() throws {
    let scene = try GuideScene()
    try scene.apply()
    for name in ["PK.key", "PK.crt", "KEK.key", "KEK.crt"] {
      try scene.directory.host().files.remove("/etc/pve-sb-uki/keys/\(name)")
    }
    try scene.put(.setupMode, [1])
    #expect(try command(scene.state()) == "pve-sb-uki keys create --complete")
  }

  /// Nobody could tell whether it is safe to turn Secure Boot on.
  @Test func withSecureBootOffTheStateSaysWhatWouldHappen() throws {
    let scene = try GuideScene()
    try scene.apply()
    try scene.put(.signatureDatabase, certificates: [SigningKey("Another").certificate.der])
    let state = try scene.state()
    #expect(state.ifSecureBootWereOn?.contains("would reject the UKIs") == true)
    #expect(state.ifSecureBootWereOn?.contains("is not in db") == true)
    #expect(state.lines.first == state.ifSecureBootWereOn && kinds(state) == [.keyNotEnrolled, .secureBootOff])
  }

  @Test(arguments: [[0, 0], [0, 1]] as [[UInt8]]) func optionalSecureBootMayBeOff(_ flags: [UInt8]) throws {
    let scene = try GuideScene()
    try scene.settings("SecureBoot=optional\n")
    try scene.apply()
    try scene.boot(nil)
    try scene.put(.secureBoot, [flags[0]])
    try scene.put(.setupMode, [flags[1]])
    var state = try scene.state()
    #expect(state.stage == .notBooted && command(state) == "systemctl reboot" && state.findings.isEmpty)
    try scene.boot()
    state = try scene.state()
    #expect(state.stage == .booted && state.nextCommand == nil && state.findings.isEmpty)
    // If it is on, the machine must start the UKIs.
    try scene.put(.secureBoot, [1])
    try scene.put(.setupMode, [0])
    state = try scene.state()
    #expect(state.stage == .notEnrolled && kinds(state) == [.keyNotEnrolled])
  }

  @Test func firmwareWithoutSecureBootIsReportedUntilItIsOptional() throws {
    let scene = try GuideScene()
    try scene.apply()
    for name in [EFIVariableName.secureBoot, .setupMode] {
      try scene.directory.host().files.remove("\(EFIVariableStore.directory)/\(name.fileName)")
    }
    try scene.boot()
    let state = try scene.state()
    #expect(state.stage == .booted && kinds(state) == [.secureBootOff] && state.ifSecureBootWereOn == nil)
    #expect(state.findings.first?.command == "pve-sb-uki config set SecureBoot optional")
    try scene.settings("SecureBoot=optional\n")
    #expect(try scene.state().findings.isEmpty)
  }

  @Test func firmwareThatCannotShowItsMenuIsRebooted() throws {
    let scene = try GuideScene()
    try scene.apply()
    let name = EFIVariableName(name: "OsIndicationsSupported", vendor: EFIVariableName.globalVendor)
    try scene.put(name, [0, 0, 0, 0, 0, 0, 0, 0])
    try scene.runNext(scene.state())
    let state = try scene.state()
    #expect(command(state) == "systemctl reboot" && state.lines.contains { $0.contains("Press the key") })
  }

  @Test func shimGetsTheKeyThroughMokManager() throws {
    let scene = try GuideScene.withShim()
    var state = try scene.state()
    #expect(state.stage == .notEnrolled && kinds(state) == [.keyNotEnrolled])
    #expect(command(state) == "pve-sb-uki enroll --mok")
    try scene.runNext(state)
    state = try scene.state()
    #expect(state.stage == .waitsForMokManager && command(state) == "systemctl reboot")
    #expect(state.lines.contains { $0.contains("Enroll MOK") } && kinds(state) == [.keyNotEnrolled])

    try scene.put(.machineOwnerKeys, certificates: [scene.certificate()])
    state = try scene.state()
    #expect(state.stage == .notBooted && command(state) == "pve-sb-uki apply")
    try scene.runNext(state)
    state = try scene.state()
    #expect(state.stage == .notBooted && command(state) == "systemctl reboot" && kinds(state) == [.notBooted])
  }

  /// With Microsoft's keys and without Setup Mode, shim's list is the first road, and each command leads to the next.
  @Test func microsoftsKeysLeadToShim() throws {
    let scene = try GuideScene()
    try scene.apply()
    try scene.put(.signatureDatabase, certificates: [SigningKey("Microsoft UEFI CA 2023").certificate.der])
    let state = try scene.state()
    #expect(state.stage == .notEnrolled && command(state) == "apt install shim-signed mokutil")
    #expect(state.lines.contains { $0.contains("pve-sb-uki enroll --stage") })
    try scene.directory.write(BootPrograms.amd64.shim, Fixture.bytes(of: "shim-trixie"))
    try scene.directory.write(BootPrograms.amd64.mokManager, Fixture.bytes(of: "grub-trixie"))
    // This shim is not signed with that certificate, so the road is closed.
    #expect(try command(scene.state())?.contains("mokutil") == false)
  }

  /// An owner with a platform key of his own needs no shim.
  @Test func anOwnedMachineDoesNotNeedShim() throws {
    let scene = try GuideScene()
    try scene.apply()
    try scene.put(.signatureDatabase, certificates: [SigningKey("Microsoft UEFI CA 2023").certificate.der])
    let own = try ExternalTool("openssl").run([
      "x509", "-in", scene.directory.path(of: "etc/pve-sb-uki/keys/PK.crt"), "-outform", "DER",
    ])
    try scene.put(.platformKey, certificates: [own])
    #expect(try command(scene.state())?.contains("shim") == false)
  }

  /// A damaged request of mokutil is not a request.
  @Test func damagedRequestsAreIgnored() throws {
    let scene = try GuideScene.withShim()
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    let good = try SignatureDatabase(certificates: [scene.certificate()], owner: owner).serialize()
    for damaged in Mutations(of: good, count: 40) {
      try scene.put(.requestedMachineOwnerKeys, damaged)
      #expect([.notEnrolled, .waitsForMokManager].contains(try scene.state().stage))
    }
    try scene.put(.requestedMachineOwnerKeys, Array(good.prefix(200)))
    #expect(try scene.state().stage == .notEnrolled)
  }

  /// The firmware still knows the old key only: Secure Boot must stay off until the UKIs have the new signature.
  @Test func replacedKeysKeepSecureBootOffUntilTheUKIsAreSignedAgain() throws {
    let scene = try GuideScene()
    try scene.put(.secureBoot, [1])
    try scene.put(.signatureDatabase, certificates: [scene.certificate()])
    try scene.apply()
    let key = try SigningKey("New db")
    try scene.directory.write("etc/pve-sb-uki/keys/db.key", key.identity.key.serializedPEM(), mode: 0o600)
    try scene.directory.write("etc/pve-sb-uki/keys/db.crt", key.certificate.serializedPEM())
    try scene.runNext(scene.state())
    var state = try scene.state()
    #expect(state.stage == .readyToEnrol && state.lines.last?.contains("Keep Secure Boot off") == true)
    // apply keeps the UKIs, so it is not the next command, and none of its findings leads there.
    let findings = try Status().run(on: scene.host()).findings
    #expect(!findings.contains { $0.kind == .ukiOutdated } && findings.contains { $0.kind == .keyNotEnrolled })
    // The same if the record of the UKIs is lost.
    let record = try #require(try scene.directory.read(Manifest.path))
    try scene.directory.host().files.remove(Manifest.path)
    let kinds = try Status().run(on: scene.host()).findings.map(\.kind)
    #expect(!kinds.contains(.ukiOutdated) && !kinds.contains(.ukiDamaged) && kinds.contains(.keyNotEnrolled))
    try scene.directory.write(Manifest.path, record)
    try scene.put(.secureBoot, [0])
    try scene.put(.signatureDatabase, certificates: [scene.certificate()])
    state = try scene.state()
    #expect(state.stage == .enrolled && command(state) == "pve-sb-uki apply")
    try scene.runNext(state)
    #expect(try command(scene.state()) == "systemctl reboot --firmware-setup")
  }

  @Test func aMissingCertificateDoesNotHideSecureBoot() throws {
    let scene = try GuideScene()
    try scene.apply()
    try scene.removeKeys()
    #expect(try kinds(scene.state()) == [.secureBootOff])
    try scene.put(.setupMode, [1])
    #expect(try kinds(scene.state()) == [.setupMode])
    try scene.settings("SecureBoot=optional\n")
    #expect(try kinds(scene.state()).isEmpty)
  }

  /// ESPs of proxmox-boot-tool are not mounted.
  @Test func stagedFilesAreFoundOnUnmountedESPs() throws {
    let machine = try MirrorScene(isApplied: false)
    try KeysFixture.install(in: machine.directory)
    try machine.put(.secureBoot, [0])
    try machine.apply()
    #expect(try MachineState(of: machine.host()).nextCommand == "pve-sb-uki enroll --stage")
    _ = try StageKeys().run(on: machine.host())
    #expect(try MachineState(of: machine.host()).stage == .readyToEnrol)
  }

  /// In a chroot, the installation still says how to continue.
  @Test func withoutEFIVariablesTheWayIsTheSame() throws {
    let scene = try ApplyScene()
    try KeysFixture.install(in: scene.directory)
    try scene.apply()
    let state = try MachineState(of: scene.host())
    #expect(state.stage == .notEnrolled && state.findings.isEmpty && state.ifSecureBootWereOn == nil)
    #expect(state.nextCommand == "pve-sb-uki enroll")
    let copy =
      "Keep a copy of \(scene.directory.path)/etc/pve-sb-uki/keys off this machine: pve-sb-uki keys backup FILE"
    #expect(state.lines.map(\.description).contains(copy))
  }

  /// Before the first kernel is installed, `apply` would write nothing.
  @Test func aHostWithoutKernelsCanEnrolItsKey() throws {
    let scene = try GuideScene()
    for release in [ApplyScene.newer, ApplyScene.older] {
      try scene.directory.host().files.remove("/boot/vmlinuz-\(release)")
    }
    #expect(try scene.state().stage == .notEnrolled)
  }

  /// Enrolment is not the problem if the firmware has revoked the certificate.
  @Test func aRevokedCertificateIsNotToBeEnrolled() throws {
    let scene = try GuideScene()
    try scene.apply()
    try scene.put(.secureBoot, [1])
    for list in [EFIVariableName.signatureDatabase, .forbiddenDatabase] {
      try scene.put(list, certificates: [scene.certificate()])
    }
    let state = try scene.state()
    #expect(state.stage == .rejected && state.nextCommand == nil && kinds(state) == [.chainUnusable])
    #expect(state.findings[0].actions.count == 1)
  }

  /// A boot from a UKI of another system, or from another ESP, does not count.
  @Test func onlyABootFromOwnUKIsCounts() throws {
    let machine = try MirrorScene(isApplied: false)
    try KeysFixture.install(in: machine.directory)
    try machine.directory.write("proc/stat", "btime \(SigningKey.now)\n")
    try machine.put(.secureBoot, [1])
    try machine.put(
      .signatureDatabase,
      SignatureDatabase(
        certificates: [
          ExternalTool("openssl").run([
            "x509", "-in", machine.directory.path(of: "etc/pve-sb-uki/keys/db.crt"), "-outform", "DER",
          ])
        ], owner: GUID(1, 2, 3, 4)
      ).serialize())
    try machine.apply()
    func text(_ text: String) -> [UInt8] { text.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] } + [0, 0] }
    func stage(_ name: String, on esp: Int) throws -> MachineState.Stage {
      try machine.put(.stubInfo, text("systemd-stub 257.9"))
      try machine.put(.stubImageIdentifier, text("\\EFI\\Linux\\\(name)"))
      try machine.put(.stubDevicePartition, text("\(MirrorScene.location(esp).guid)"))
      return try MachineState(of: machine.host()).stage
    }
    #expect(try stage("pve-\(MirrorScene.older).efi", on: 1) == .booted)
    #expect(try stage("pve-\(MirrorScene.older)~previous.efi", on: 0) == .booted)
    #expect(try stage("other.efi", on: 1) == .notBooted)
    #expect(try stage("pve-\(MirrorScene.older).efi", on: 2) == .notBooted)
  }

  @Test func withoutUEFIOrKeysNothingElseIsSaid() throws {
    let scene = try GuideScene()
    let state = MachineState(.noFirmware)
    #expect(state.stage == .inactive && state.nextCommand == nil && state.findings.isEmpty)
    #expect(state.title == "this machine was booted in BIOS mode, not by UEFI firmware")
    try scene.directory.write("etc/pve-sb-uki/keys/db.crt", "garbage")
    #expect(try scene.state().stage == .keyMissing)
  }
}
