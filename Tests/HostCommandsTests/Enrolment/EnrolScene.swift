// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostCommands
import HostScenes
import HostSystem
import KeyEnrolment
internal import Messages
import SigningKeys
import TestSupport
import Testing

/// A running machine in Setup Mode with two ESPs and UKIs on both, whose firmware variables are a directory.
struct EnrolScene {
  let mirror: MirrorScene
  var directory: TemporaryDirectory { mirror.directory }
  var root: String { directory.path }

  /// PK, KEK, db and dbx of a machine from a shop, as Debian's OVMF has them.
  private static let factory = Result {
    try VariableStore(parsing: FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", limit: 1 << 20)).variables
  }

  init() throws {
    mirror = try MirrorScene(isApplied: false)
    try KeysFixture.install(in: directory)
    try mirror.put(.setupMode, [1])
    try mirror.put(.secureBoot, [0])
    try mirror.apply()
  }

  /// A copy of the factory's lists; `suffix` makes them those that the firmware offers.
  func putFactory(_ variables: EFIVariableName..., asDefault: Bool = false) throws {
    for variable in variables {
      let data = try #require(Self.factory.get()[variable]).data
      let name = asDefault ? "\(variable.name)Default" : variable.name
      let vendor = asDefault ? EFIVariableName.globalVendor : variable.vendor
      try put(EFIVariableName(name: name, vendor: vendor), data)
    }
  }

  static func factoryData(_ variable: EFIVariableName) throws -> [UInt8] {
    try #require(factory.get()[variable]).data
  }

  func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [0x27, 0, 0, 0] + data)
  }

  /// The content of the variable's file.
  func file(_ variable: EFIVariableName) throws -> [UInt8]? {
    try directory.read("\(EFIVariableStore.directory)/\(variable.fileName)")
  }

  /// shim and GRUB of Debian before the UKIs.
  func installShim() throws {
    let serial = MirrorScene.serials[0]
    try directory.write(mirror.path(serial, "/EFI/proxmox/shimx64.efi"), Fixture.bytes(of: "shim-trixie"))
    try directory.write(mirror.path(serial, "/EFI/proxmox/grubx64.efi"), Fixture.bytes(of: "grub-trixie"))
    try mirror.put(0, label: "proxmox", on: 0, path: "/EFI/proxmox/shimx64.efi")
  }

  func host(_ gate: @escaping Mutation.Gate = { _ in }) throws -> Host { try mirror.host(gate) }

  struct Outcome {
    var plan: EnrolmentPlan
    var isDone: Bool
    var written: [String]
    var undo: String?
    var kinds: Set<Refusal.Kind> { Set(plan.refusals.map(\.kind)) }
  }

  @discardableResult
  func run(on host: Host? = nil, _ change: (inout EnrolFirmware) -> Void = { _ in }) throws -> Outcome {
    var enrolment = EnrolFirmware()
    change(&enrolment)
    var written: [String] = []
    var undo: String?
    let (plan, isDone) = try enrolment.run(on: try host ?? self.host()) { _ in
      true
    } reporting: { event in
      switch event {
      case .undoWritten(let path, _), .undoKept(let path):
        // As seen from outside the root of the host.
        undo = path.hasPrefix(directory.path) ? String(path.dropFirst(directory.path.count)) : path
      case .written(let step): written.append(step.variable.name)
      case .setupModeEnded: break
      }
    }
    return Outcome(plan: plan, isDone: isDone, written: written, undo: undo)
  }

  /// The file of efivarfs for a certificate of the key store, as efitools makes its list.
  func expected(_ role: KeyRole, after vendor: [UInt8] = []) throws -> [UInt8] {
    let keys = directory.path(of: "etc/pve-sb-uki/keys")
    let list = try ScratchFile()
    let owner = String(decoding: try FileSystem().readFile("\(keys)/GUID", limit: 100), as: UTF8.self)
    try ExternalTool("cert-to-efi-sig-list").run([
      "-g", String(owner.dropLast()), "\(keys)/\(role.name).crt", list.path,
    ])
    return [0x27, 0, 0, 0] + vendor + (try list.bytes())
  }

  func isEnrolled() throws -> Bool {
    try KeyRole.allCases.allSatisfy { try file($0.variable) == expected($0) }
  }
}
