// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import SigningKeys
import TestSupport
import Testing

/// Promise I6: a secret that others can read is a problem in `status` and a note in `apply`.
@Suite struct ExposureTests {
  private static let key = "etc/pve-sb-uki/keys/db.key"
  private static let settings = "etc/pve-sb-uki/pve-sb-uki.conf"
  private let scene: ApplyScene
  init() throws {
    scene = try ApplyScene()
    try scene.apply()
  }

  private func expect(_ path: String, _ hint: String) throws {
    let full = scene.directory.path(of: path)
    let status = try Status().run(on: scene.host())
    #expect(status.needsAttention && status.problems.contains { $0.message.hasPrefix("\(full): ") })
    #expect(status.problems.contains { $0.hint?.description == "\(hint) \(full)" })
    #expect(!status.notes.contains { $0.hasPrefix(full) })
    #expect(try scene.apply().notes.contains { $0.hasPrefix("\(full): ") && $0.hasSuffix("run '\(hint) \(full)'") })
  }

  private func chmod(_ path: String, _ mode: mode_t) { Glibc.chmod(scene.directory.path(of: path), mode) }

  @Test(arguments: [0o644, 0o640, 0o604, 0o620] as [mode_t]) func aKeyThatOthersCanReadOrReplace(mode: mode_t) throws {
    chmod(Self.key, mode)
    try expect(Self.key, "chmod 600")
    chmod(Self.key, 0o600)
    #expect(try !Status().run(on: scene.host()).needsAttention)
  }

  @Test func aDirectoryInWhichOthersCanReplaceIt() throws {
    chmod("etc/pve-sb-uki/keys", 0o777)
    try expect("etc/pve-sb-uki/keys", "chmod 700")
  }

  @Test func settingsWithAPIN() throws {
    try scene.directory.write(Self.settings, "Key=pkcs11:token=x?pin-value=1234\n", mode: 0o644)
    try expect(Self.settings, "chmod 600")
    #expect(try !Status().run(on: scene.host()).problems.contains { $0.description.contains("1234") })
    chmod(Self.settings, 0o600)
    #expect(try !Status().run(on: scene.host()).problems.contains { $0.message.contains("gives others access") })
  }

  @Test func configSetKeepsAPINSecret() throws {
    var set = ConfigurationSet([.init("Key", "pkcs11:token=x?pin-value=1234")])
    set.isForced = true
    set.lockTimeout = 0
    _ = try set.run(on: scene.host())
    #expect(try FileSystem().status(of: scene.directory.path(of: Self.settings))?.mode == 0o600)
  }

  @Test(arguments: [
    ("pkcs11:token=x?pin-value=1", true), ("pkcs11:token=x?a=b&pin-value=1", true), ("pkcs11:pin-value=1", true),
    ("pkcs11:token=x;pin-value=1", true), ("pkcs11:token=x?pin-source=file:/p", false),
    ("pkcs11:token=my-pin-value=1", false), ("/etc/pin-value", false),
  ])
  func pinsAreRecognized(uri: String, hasPIN: Bool) { #expect(KeySource.holdsPIN(uri) == hasPIN) }
}
