// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import EFIData
internal import HostSystem
package import Reconcile
package import TestSupport

/// A machine with `Promotion=trial` and two ESPs, on which boots are played.
///
/// Playing a boot does what firmware and stub do with their variables. It starts what BootNext or the boot order names.
package final class TrialScene {
  package let mirror: MirrorScene
  package var directory: TemporaryDirectory { mirror.directory }
  /// What the firmware does with BootNext.
  package var firmware = TrialRecord.Firmware.works
  private var boots = 0
  private let kernel: Fixture

  package static let newer = ApplyScene.newer
  package static let older = ApplyScene.older
  package static let newest = "6.8.12-11-pve"

  /// A machine that runs the older kernel, confirmed, before another one was installed; the stub is that of systemd 257,
  /// or 252.
  package init(hasProfiles: Bool = true, chain: String = "direct") throws {
    mirror = try MirrorScene(isApplied: false)
    // A stub as the kernel has more SBAT data than an old stub has room for.
    kernel = hasProfiles ? .stub257 : .kernel61
    for release in [Self.newer] {
      for path in ["boot/vmlinuz-", "boot/initrd.img-"] { try mirror.host().files.remove("/\(path)\(release)") }
      try mirror.host().files.remove("/lib/modules/\(release)/modules.dep")
      try mirror.host().files.removeDirectory("/lib/modules/\(release)")
    }
    if !hasProfiles { try directory.write("usr/lib/systemd/boot/efi/linuxx64.efi.stub", Fixture.stub252.bytes()) }
    try install(Self.older)
    try set("Chain=\(chain)\nPromotion=trial\n")
    try kernelBoots()
    try mirror.apply()
    try boot()
    try confirm()
    try mirror.apply()
  }

  package func set(_ settings: String) throws {
    try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", settings)
  }

  package func install(_ release: String) throws {
    try mirror.scene.addKernel(release)
    try directory.write("boot/vmlinuz-\(release)", kernel.bytes())
  }

  /// A new kernel starts: a boot ID, and a time after every file.
  private func kernelBoots(at time: Int64? = nil) throws {
    boots += 1
    let digits = "\(boots)"
    let id = String(repeating: "0", count: 12 - digits.utf8.count) + digits
    try directory.write("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-\(id)\n")
    try directory.write("proc/stat", "cpu 1\nbtime \(time ?? 4_000_000_000 + Int64(boots) * 1000)\n")
    try mirror.host().files.remove(BootConfirmation.path)
  }

  /// Starts the machine as its firmware would.
  ///
  /// Returns what it starts, such as `pve-6.8.12-9-pve.efi` or, with a profile, `pve-6.8.12-9-pve.efi @1`.
  /// `time` is when the kernel starts, in seconds since 1970.
  @discardableResult
  package func boot(at time: Int64? = nil) throws -> String {
    let variables = try mirror.variables()
    var number = try firstInOrder(variables)
    if let next = variables.next, firmware != .ignores, variables[next] != nil {
      number = next
      if firmware == .works { try remove(.bootNext) }
    }
    guard let option = variables[number]?.option, let file = option.file else { return "?" }
    try kernelBoots(at: time)
    try put(.bootCurrent, BootOrder([number]).serialize())
    let words = EFIText.parse(option.optionalData) ?? ""
    let profile = words.split(separator: "@").count > 0 && words.contains("@") ? words.split(separator: "@").last : nil
    try put(.stubInfo, text: "systemd-stub 257.9-1")
    try put(.stubImageIdentifier, text: String(file.path.map { $0 == "/" ? "\\" : $0 }))
    try put(.stubDevicePartition, text: file.partition.guid.description)
    try put(.stubProfile, text: profile.map(String.init) ?? "0")
    let name = String(PathName(file.path).fileName)
    return profile.map { "\(name) @\($0)" } ?? name
  }

  private func firstInOrder(_ variables: BootVariables) throws -> UInt16 {
    variables.order.first { variables[$0]?.option?.file?.path.hasPrefix("/EFI/Linux/") == true } ?? 0
  }

  /// What pve-sb-uki-boot-ok.service does before `apply`.
  package func confirm() throws { try BootConfirmation.write(on: mirror.host()) }

  package func put(_ variable: EFIVariableName, text: String) throws { try put(variable, EFIText.serialize(text)) }
  package func put(_ variable: EFIVariableName, _ data: [UInt8]) throws { try mirror.put(variable, data) }
  package func remove(_ variable: EFIVariableName) throws {
    try mirror.host().files.remove("\(EFIVariableStore.directory)/\(variable.fileName)")
  }

  /// The kernel of the first entry of pve-sb-uki in the boot order.
  package func first() throws -> String {
    let variables = try mirror.variables()
    let file = variables[try firstInOrder(variables)]?.option?.file
    return file.map { String(PathName($0.path).fileName) } ?? "?"
  }

  /// What BootNext names; nil if it is not set.
  package func next() throws -> String? {
    let variables = try mirror.variables()
    guard let option = variables.next.flatMap({ variables[$0]?.option }) else { return nil }
    return option.description
  }

  package var record: TrialRecord { get throws { TrialRecord.load(from: try mirror.host().files) } }
}
