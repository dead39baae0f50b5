// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import HostSystem
import PveSbUki
import TestSupport
import Testing

/// A host with boot loaders of Debian and a directory for an EFI System Partition. A stub stands in for shim.
struct LoaderScene {
  let directory: TemporaryDirectory
  let key: SigningKey
  let image = ImageName(fileName: "pve-6.8.12-10-pve.efi")
  let older = ImageName(fileName: "pve-6.8.12-9-pve.efi")

  private static let keys = Result { (try SigningKey(), try SigningKey("Another db")) }
  static func otherKey() throws -> SigningKey { try keys.get().1 }

  init(_ systemdBoot: Fixture = .systemdBoot257) throws {
    directory = try TemporaryDirectory()
    key = try Self.keys.get().0
    try put(systemdBoot)
    try directory.write(BootPrograms.amd64.shim, Fixture.stub252.bytes())
    try directory.write(BootPrograms.amd64.mokManager, Fixture.stub257.bytes())
    try directory.write("esp/EFI/other/file", "not ours")
  }

  func put(_ systemdBoot: Fixture) throws {
    try directory.write(BootPrograms.amd64.systemdBoot, systemdBoot.bytes())
  }

  /// Puts an image on the partition, signed by sbsign.
  func putImage(_ name: ImageName?, _ content: Fixture = .stub257) throws {
    let name = try #require(name)
    try directory.write("esp/EFI/Linux/x", "")
    try Self.sign(content.path, to: directory.path(of: "esp\(name.path)"), by: key)
  }

  /// By sbsign.
  static func sign(_ path: String, to target: String, by key: SigningKey) throws {
    let (file, certificate) = (try key.keyFile(), try key.certificateFile())
    try withExtendedLifetime((file, certificate)) {
      _ = try ExternalTool("sbsign").run([
        "--key", file.path, "--cert", certificate.path, "--output", target, path,
      ])
    }
  }

  func loaders(
    _ chain: BootChain, removable: Bool = false, key: SigningKey? = nil
  ) throws -> LoaderFiles {
    var configuration = Configuration()
    configuration.writesRemovablePath = removable
    return try LoaderFiles(
      chain, configuration, certificate: (key ?? self.key).certificate, on: try directory.host())
  }

  func files(_ recorder: MutationRecorder = MutationRecorder()) throws -> FileSystem {
    try directory.host(gate: recorder.gate).files.subtree("/esp")
  }

  func plan(
    _ loaders: LoaderFiles, pending: [ImageName: Int] = [:], isPreferred: Bool = true
  ) throws -> LoaderFiles.Plan {
    try loaders.plan(
      on: files(), images: [image, older].compactMap { $0 }, pending: pending, isPreferred: isPreferred)
  }

  func perform(
    _ plan: LoaderFiles.Plan, _ loaders: LoaderFiles, _ recorder: MutationRecorder = MutationRecorder(),
    key: SigningKey? = nil
  ) throws {
    let files = try files(recorder)
    for step in plan.steps { try loaders.perform(step, on: files) { (key ?? self.key).identity } }
  }

  func read(_ path: String) throws -> [UInt8]? { try directory.read("esp\(path)") }
}
