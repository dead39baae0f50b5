// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// A host with Debian's boot loaders and a directory for the ESP.
///
/// A stub serves as shim.
struct LoaderScene {
  let directory: TemporaryDirectory
  let key: SigningKey
  let image = UKIName(fileName: "pve-6.8.12-10-pve.efi")
  let older = UKIName(fileName: "pve-6.8.12-9-pve.efi")

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

  /// Writes a UKI to the ESP, signed by sbsign.
  func putImage(_ name: UKIName?, _ content: Fixture = .stub257) throws {
    let name = try #require(name)
    try directory.write("esp/EFI/Linux/x", "")
    try Self.sign(content.path, to: directory.path(of: "esp\(name.path)"), by: key)
  }

  /// Signs with sbsign.
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
    try LoaderFiles(
      chain, writesRemovablePath: removable, certificate: (key ?? self.key).certificate, on: try directory.host())
  }

  func files(_ recorder: MutationRecorder = MutationRecorder()) throws -> FileSystem {
    try directory.host(gate: recorder.gate).files.subtree("/esp")
  }

  struct Plan {
    let steps: [LoaderStep]
    let defaultEntry: String?
    let notes: [Message]
  }

  func plan(
    _ loaders: LoaderFiles, images: [UKIName]? = nil, pending: [UKIName: Int] = [:], isPreferred: Bool = true
  ) throws -> Plan {
    let files = try files()
    let images = images ?? [image, older].compactMap { $0 }
    let present = try images.compactMap { name in
      try files.linkStatus(of: name.path).map { PresentImage(name, size: $0.size, content: .signed) }
    }
    let planner = LoaderPlanner(
      programs: loaders.programs, state: try loaders.observe(files, images: images, isPreferred: isPreferred),
      contents: ESPContents(images: present, free: 1 << 30), pending: pending, isPreferred: isPreferred)
    let (steps, defaultEntry) = try planner.plan(images)
    return Plan(steps: steps, defaultEntry: defaultEntry, notes: planner.notes(images))
  }

  func perform(
    _ plan: Plan, with loaders: LoaderFiles, recorder: MutationRecorder = MutationRecorder(),
    key: SigningKey? = nil
  ) throws {
    let files = try files(recorder)
    let executor = LoaderExecutor(loaders, signingTime: try directory.host().buildTime)
    for step in plan.steps { try executor.execute(step, on: files) { (key ?? self.key).identity } }
  }

  func read(_ path: String) throws -> [UInt8]? { try directory.read("esp\(path)") }
}
