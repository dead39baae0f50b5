// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import BootPaths
import Cryptography
import EFIData
import Findings
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

/// A machine with Secure Boot on, two ESPs with UKIs and a foreign entry, Boot0000; db has pve-sb-uki's and Microsoft's
/// certificates.
struct PathScene {
  let mirror: MirrorScene
  /// ESPs outside the list, by path of their device.
  var others: [SystemPartition] = []
  /// The members of an array on which the first ESP is; it then has no location.
  var members: [ArrayMember]?
  /// Another location of the first ESP.
  var location: PartitionLocation?
  /// What partitions outside the list contain.
  var content = PartitionFacts.Content.other

  static let newer = "/EFI/Linux/pve-6.8.12-10-pve.efi"
  static let older = "/EFI/Linux/pve-6.8.12-9-pve.efi"
  static let first = MirroredMachine.serials[0]
  static let second = MirroredMachine.serials[1]

  /// db and dbx of a machine from a shop, as Debian's OVMF has them.
  private static let factory = Result {
    try VariableStore(parsing: FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", limit: 1 << 20)).variables
  }

  init(isApplied: Bool = true, isEnforced: Bool = true) throws {
    mirror = try MirrorScene(isApplied: isApplied)
    let factory = try Self.factory.get()
    let own = SignatureDatabase(certificates: [mirror.scene.key.certificate.der], owner: MirrorScene.location(0).guid)
    let db = try #require(factory[.signatureDatabase]).data
    try mirror.put(.signatureDatabase, own.serialize() + db)
    try mirror.put(.forbiddenDatabase, try #require(factory[.forbiddenDatabase]).data)
    try mirror.put(.secureBoot, [isEnforced ? 1 : 0])
  }

  // MARK: Files and variables

  func write(_ path: String, _ content: [UInt8], on serial: String = first) throws {
    try mirror.directory.write(mirror.path(serial, path), content)
  }

  func remove(_ path: String, on serial: String = first) throws {
    try FileSystem().remove(mirror.directory.path(of: mirror.path(serial, path)))
  }

  func read(_ path: String, on serial: String = first) throws -> [UInt8] {
    try #require(try mirror.directory.read(mirror.path(serial, path)))
  }

  /// The content with the host's signature, made by sbsign.
  func signed(_ content: [UInt8]) throws -> [UInt8] {
    let (input, output) = (try ScratchFile(content), try ScratchFile())
    let (key, certificate) = (try mirror.scene.key.keyFile(), try mirror.scene.key.certificateFile())
    return try withExtendedLifetime((key, certificate)) {
      try ExternalTool("sbsign").run([
        "--key", key.path, "--cert", certificate.path, "--output", output.path, input.path,
      ])
      return try output.bytes()
    }
  }

  /// A UKI of another system: a stub with the sections that systemd-boot looks for, by objcopy.
  func foreignUKI(_ release: String, initrd: String = "x") throws -> [UInt8] {
    let (osrel, linux, output) = (
      try ScratchFile(Array(release.utf8)), try ScratchFile(Array(initrd.utf8)), try ScratchFile()
    )
    try ExternalTool("objcopy").run([
      "--add-section", ".osrel=\(osrel.path)", "--change-section-vma", ".osrel=0x14e020000", "--add-section",
      ".linux=\(linux.path)", "--change-section-vma", ".linux=0x14e030000", Fixture.stub257.path, output.path,
    ])
    return try output.bytes()
  }

  /// shim and GRUB of Debian, as Proxmox installs them on an ESP.
  func installProxmox(on serial: String = first) throws {
    try write("/EFI/proxmox/shimx64.efi", Fixture.bytes(of: "shim-trixie"), on: serial)
    try write("/EFI/proxmox/grubx64.efi", Fixture.bytes(of: "grub-trixie"), on: serial)
    try write("/EFI/proxmox/grub.cfg", Array("configfile $prefix/grub.cfg\n".utf8), on: serial)
    try put(0, label: "proxmox", path: "/EFI/proxmox/shimx64.efi")
  }

  func put(_ number: UInt16, label: String, on esp: Int = 0, path: String, data: [UInt8] = []) throws {
    let file = DevicePath.File(partition: MirrorScene.location(esp), path: path)
    try mirror.put(.bootOption(number), LoadOption(description: label, file: file, optionalData: data).serialize())
  }

  func order(_ numbers: UInt16...) throws { try mirror.put(.bootOrder, BootOrder(numbers).serialize()) }

  /// The numbers of pve-sb-uki's entries, in boot order.
  func ownNumbers() throws -> [UInt16] {
    let variables = try mirror.variables()
    return variables.order.filter { variables[$0]?.option?.file?.isInOurNameSpace == true }
  }

  // MARK: Survey

  func host() throws -> Host {
    var host = try mirror.host()
    let files = host.files
    let usual = host.partitions
    let (others, members, location, content) = (others, members, location, content)
    host.partitions = PartitionAccess { device, access, label in
      try others.contains { $0.device == device }
        ? files.subtree(device)
        : usual.mount(device: device, access: access, label: label)
    } facts: { device in
      var facts = try usual.facts(device: device)
      if facts.location == nil { facts.content = content }
      if let location, device.hasSuffix(Self.first) { facts.location = location }
      if let members, device.hasSuffix(Self.first) {
        facts.location = nil
        facts.locationProblem = Failure(
          "it is on the RAID array md0", hint: "use a primary partition of a disk as the ESP")
        facts.members = members
      }
      return facts
    } systemPartitions: {
      others
    }
    return host
  }

  func survey(readsAll: Bool = true) throws -> BootPathSurvey {
    var options = BootPathSurvey.Options()
    options.readsAll = readsAll
    let host = try host()
    return try BootPathSurvey(of: host, ESPSurvey(of: host, Configuration(of: host.files)), options: options)
  }
}

extension BootPathSurvey {
  func path(_ number: UInt16) -> BootPath? { paths.first { $0.origin == .entry(number) } }
  /// The findings of a kind, as text.
  func texts(_ kind: FindingKind) -> [String] { findings.filter { $0.kind == kind }.map(\.message.description) }
  func commands(_ kind: FindingKind) -> [String] {
    findings.filter { $0.kind == kind }.compactMap { $0.command?.description }
  }
  /// The kinds of all findings except remarks.
  var kinds: [FindingKind] { findings.map(\.kind).filter { $0 != .remark } }
}
