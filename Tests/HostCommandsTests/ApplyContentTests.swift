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

/// The content of a UKI decides: size and time do not reveal damage, and dbx revokes single UKIs.
@Suite struct ApplyContentTests {
  private let machine: MirrorScene
  private let serials = MirrorScene.serials
  private let newer = ApplyScene.newer
  private let older = ApplyScene.older

  init() throws { machine = try MirrorScene() }

  private func imagePath(_ serial: String, _ release: String) -> String {
    machine.directory.path(of: machine.path(serial, "/EFI/Linux/pve-\(release).efi"))
  }

  /// Changes the byte at that part of the size and keeps size and time.
  private func damage(_ serial: String, _ release: String, part: Int = 3) throws {
    let path = imagePath(serial, release)
    try ExternalTool("sh").run([
      "-c",
      """
      touch -r "$1" "$1.time" && size=$(stat -c %s "$1") && printf '\\377' |
      dd of="$1" bs=1 seek=$((size / $2)) conv=notrunc status=none && touch -r "$1.time" "$1" && rm "$1.time"
      """, "sh", path, "\(part)",
    ])
  }
  private func removeKernel(_ release: String) {
    for name in ["boot/vmlinuz-\(release)", "boot/initrd.img-\(release)"] { unlink(machine.directory.path(of: name)) }
  }
  private func isSound(_ serial: String, _ release: String) throws -> Bool {
    let certificate = try machine.scene.key.certificateFile()
    return try withExtendedLifetime(certificate) {
      try ExternalTool("sbverify").result(["--cert", certificate.path, imagePath(serial, release)]).status == 0
    }
  }

  /// The copy on the second ESP is compared with the inputs: what the first ESP returns may be wrong by then.
  @Test(arguments: [3, 1_000_000]) func damageBetweenTwoESPsIsNotCopied(part: Int) throws {
    let damaged = Guarded(0)
    let (first, second) = (imagePath(serials[0], newer), machine.path(serials[1], ""))
    let host = try machine.host { mutation in
      guard mutation.kind == .create, mutation.path.hasPrefix(second), mutation.path.contains(newer) else { return }
      damaged.withLock { count in
        count += 1
        if count == 1 { try? self.damage(self.serials[0], self.newer, part: part) }
      }
    }
    try machine.directory.write("boot/initrd.img-\(newer)", ApplyScene.initrd(of: "another"))
    let result = try machine.apply(on: host)
    #expect(damaged.withLock { $0 } > 1 && result.failures.isEmpty)
    #expect(result.images.contains { $0.esp == serials[1] && $0.kernel == newer && $0.state == .signed })
    #expect(try isSound(serials[1], newer) && !isSound(serials[0], newer), "\(first)")
  }

  @Test func remainingImagesAreReadBeforeOneIsRemoved() throws {
    try damage(serials[0], newer)
    #expect(try !isSound(serials[0], newer) && !machine.apply().isChange)
    removeKernel(older)
    let result = try machine.apply()
    #expect(result.failures.isEmpty)
    // The remaining intact one is removed once there is another.
    #expect(try isSound(serials[0], newer) && isSound(serials[0], older) && machine.image(serials[1], older) == nil)
    #expect(try machine.apply().failures.isEmpty)
    #expect(try isSound(serials[0], newer) && machine.image(serials[0], older) == nil)
  }

  /// If no UKI can be built, the intact one stays.
  @Test func anIntactImageStaysIfTheOtherIsDamaged() throws {
    for serial in serials { try damage(serial, newer) }
    try machine.directory.write("boot/vmlinuz-\(newer)", "no kernel")
    removeKernel(older)
    let result = try machine.apply()
    #expect(!result.failures.isEmpty)
    for serial in serials { #expect(try isSound(serial, older)) }
  }

  @Test func aRunThatRemovesNothingReadsNoImages() throws {
    for serial in serials {
      for release in [newer, older] { #expect(chmod(imagePath(serial, release), 0) == 0) }
    }
    let times = try serials.map { try ExternalTool("stat").run(["-c", "%X", imagePath($0, newer)]) }
    try machine.directory.write("boot/initrd.img-9.9.9-9-pve", "x")
    #expect(try !machine.apply().isChange)
    #expect(try serials.map { try ExternalTool("stat").run(["-c", "%X", imagePath($0, newer)]) } == times)
  }

  @Test func statusReadsEveryImage() throws {
    try damage(serials[1], newer)
    let report = try Status().run(on: machine.host())
    #expect(report.needsAttention && report.nextStep == "pve-sb-uki apply --force")
    #expect(report.problems.contains { $0.description.contains("changed on \(serials[1])") })
    var quick = Status()
    quick.isQuick = true
    #expect(try !quick.run(on: machine.host()).needsAttention)
    #expect(try machine.apply { $0.isForced = true }.failures.isEmpty)
    #expect(try isSound(serials[1], newer) && !Status().run(on: machine.host()).needsAttention)
  }

  private func revoke(_ release: String) throws {
    let digest = try ExternalTool("osslsigncode").result(["verify", "-in", imagePath(serials[0], release)])
    let text = digest.text.split(separator: "\n").first { $0.contains("Calculated message digest") } ?? ""
    let hash = try #require([UInt8](hexadecimal: text.split(separator: " ").last ?? ""))
    try #require(hash.count == 32)
    let owner = GUID(0x1122_3344, 0x5566, 0x7788, 0x99aa_bbcc_ddee_ff00)
    func list(_ type: GUID, _ data: [UInt8]) -> [UInt8] {
      func number(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
      return bytes(type) + number(28 + 16 + data.count) + number(0) + number(16 + data.count) + bytes(owner) + data
    }
    try put(
      .signatureDatabase,
      list(GUID(0xa5c0_59a1, 0x94e4, 0x4aa7, 0x87b5_ab15_5c2b_f072), machine.scene.key.certificate.der))
    try put(.forbiddenDatabase, list(GUID(0xc1c4_1626, 0x504c, 0x4092, 0xaca9_41f9_3693_4328), hash))
    try machine.put(.secureBoot, [1])
    try machine.put(.setupMode, [0])
  }
  private func bytes(_ guid: GUID) -> [UInt8] {
    let digits = guid.description.split(separator: "-").map { [UInt8](hexadecimal: $0) ?? [] }
    return Array(digits[0].reversed() + digits[1].reversed() + digits[2].reversed() + digits[3] + digits[4])
  }
  private func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    let content = EFIVariableContent(attributes: .keyDatabase, data: data)
    try machine.directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", content.serialize())
  }

  @Test func aRevokedImageIsNeverFirstInTheBootOrder() throws {
    try revoke(newer)
    let report = try Status().run(on: machine.host())
    #expect(report.needsAttention && report.problems.contains { $0.description.contains("its digest is revoked") })
    let result = try machine.apply()
    #expect(result.failures.count == 2 && result.failures.allSatisfy { $0.description.contains("pve-\(newer).efi") })
    let order = try machine.order()
    #expect(order.prefix(2) == ["pve-\(older).efi on 0", "pve-\(older).efi on 1"])
    // A rebuilt UKI has the same bytes and so the same digest.
    try machine.apply { $0.isForced = true }
    #expect(try machine.order() == order)
    // Records in this format lack the digest.
    let old = try OldManifest.text(2, of: Manifest.load(from: machine.host().files).manifest, in: machine.directory) {
      machine.path($0.esp, $0.name.path)
    }
    try machine.directory.write(Manifest.path, old)
    #expect(try machine.apply().failures.count == 2 && machine.order() == order)
  }

  /// Proxmox's scripts delete the initrd of an installed kernel when the leftover of its twin package is purged.
  @Test(arguments: [ApplyScene.newer, ApplyScene.older])
  func aKernelThatLosesItsInitrdKeepsItsBootOrder(release: String) throws {
    var host = try machine.host()
    host.kernelRelease = release
    try machine.apply(on: host)
    let order = try machine.order()
    unlink(machine.directory.path(of: "boot/initrd.img-\(release)"))
    try machine.scene.addKernel("6.8.12-8-pve")
    let result = try machine.apply(on: host)
    #expect(result.failures.count == 1)
    #expect(result.failures.first?.hint == "update-initramfs -c -k \(release)")
    for serial in serials { #expect(try machine.image(serial, release) != nil) }
    // Nothing can be signed now.
    #expect(result.images.allSatisfy { [.current, .kept].contains($0.state) })
    #expect(try machine.order() == order)
    let report = try Status().run(on: host)
    #expect(report.needsAttention && report.nextStep == "update-initramfs -c -k \(release)")
    try machine.directory.write("boot/initrd.img-\(release)", ApplyScene.initrd(of: release))
    #expect(try machine.apply(on: host).failures.isEmpty)
  }

  /// The ESP that was missing in the last run is no longer listed.
  @Test func aResolvedFailureIsNotAProblem() throws {
    try machine.directory.write("etc/kernel/proxmox-boot-uuids", (serials + ["3333-CCC3"]).joined(separator: "\n"))
    #expect(try !machine.apply().failures.isEmpty)
    #expect(try Status().run(on: machine.host()).needsAttention)
    try machine.directory.write("etc/kernel/proxmox-boot-uuids", serials.joined(separator: "\n"))
    let report = try Status().run(on: machine.host())
    #expect(!report.needsAttention && report.lastFailure == nil)
  }
}
