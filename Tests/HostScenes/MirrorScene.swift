// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
internal import Cryptography
package import EFIData
internal import Glibc
package import HostSystem
package import Reconcile
package import TestSupport

/// A running machine with two ESPs and a foreign boot entry, Boot0000, on which `apply` has run.
package struct MirrorScene {
  package let scene: ApplyScene
  package var directory: TemporaryDirectory { scene.directory }
  package static let serials = MirroredMachine.serials
  package static let newer = ApplyScene.newer
  package static let older = ApplyScene.older

  package init(key: SigningKey? = nil, isApplied: Bool = true) throws {
    scene = try ApplyScene(key: key)
    try directory.write("etc/kernel/proxmox-boot-uuids", Self.serials.joined(separator: "\n"))
    for serial in Self.serials { try directory.write("\(MirroredMachine.path(of: serial))/EFI/other/file", "not ours") }
    try put(0, label: "proxmox", on: 0, path: "/EFI/proxmox/grubx64.efi")
    try put(.bootOrder, BootOrder([0]).serialize())
    if isApplied { try apply() }
  }

  package func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [7, 0, 0, 0] + data)
  }
  /// Writes an entry for a file on the ESP with that index; ESPs from index 2 do not exist.
  package func put(_ number: UInt16, label: String, on esp: Int, path: String) throws {
    let option = try LoadOption(
      description: label, file: DevicePath.File(partition: Self.location(esp), path: path))
    try put(.bootOption(number), option.serialize())
  }
  package static func location(_ esp: Int) -> PartitionLocation {
    PartitionLocation(
      number: 2, startBlock: 2048, blockCount: 1 << 20,
      guid: GUID(0x1111_2222, UInt16(esp), 0x3333, 0x4444_5555_6666_7777))
  }

  package func host(_ gate: @escaping Mutation.Gate = { _ in }) throws -> Host {
    try MirroredMachine.host(root: directory.path, gate: gate)
  }

  @discardableResult
  package func apply(on host: Host? = nil, _ change: (inout ApplyOptions) -> Void = { _ in }) throws -> ApplyReport {
    var apply = ApplyOptions()
    apply.lockTimeout = 0
    change(&apply)
    return try Apply.run(apply, on: try host ?? self.host())
  }

  /// The boot order as `path on esp`, or `?` for a number without an entry.
  package func order() throws -> [String] {
    let variables = try self.variables()
    return variables.order.map { number in
      guard let file = variables[number]?.option?.file else { return "?" }
      let index = (0..<4).first { Self.location($0).guid == file.partition.guid }
      return "\(file.path.split(separator: "/").last ?? "") on \(index ?? 9)"
    }
  }
  package func variables() throws -> BootVariables {
    try BootVariables(readingFrom: EFIVariableStore(of: host().files))
  }

  package func path(_ serial: String, _ path: String) -> String { MirroredMachine.path(of: serial) + path }
  package func image(_ serial: String, _ release: String) throws -> [UInt8]? {
    try directory.read(path(serial, "/EFI/Linux/pve-\(release).efi"))
  }
  package func use(_ key: SigningKey) throws {
    try directory.write("etc/pve-sb-uki/keys/db.key", key.identity.key.serializedPEM(), mode: 0o600)
    try directory.write("etc/pve-sb-uki/keys/db.crt", key.certificate.serializedPEM())
  }
}
