// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import HostCommands
import HostScenes
import HostSystem
import KeyEnrolment
import Messages
import Reconcile
import SigningKeys
import TestSupport
import Testing

/// A running machine in Setup Mode with two ESPs and all keys, on which systemd-boot starts the UKIs; the test is its
/// firmware.
struct StageScene {
  let machine: MirrorScene
  var directory: TemporaryDirectory { machine.directory }
  static let serials = MirrorScene.serials
  static let menu = "/EFI/pve-sb-uki"
  static let automatic = "/loader/keys/auto"
  static let menuFiles = ["KEK", "PK", "db"].flatMap { role in ["auth", "cer", "esl"].map { "\(role).\($0)" } }

  init(chain: String = "systemd-boot", isApplied: Bool = true) throws {
    machine = try MirrorScene(isApplied: false)
    try KeysFixture.install(in: directory)
    try directory.write("proc/stat", "btime \(SigningKey.now)\n")
    try directory.write("sys/firmware/efi/fw_platform_size", "64\n")
    try directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot257.bytes())
    try directory.write(Configuration.path, "Chain=\(chain)\n")
    for serial in Self.serials { try write(serial, LoaderConfiguration.path, Array("timeout 3\n".utf8)) }
    try setMode(secureBoot: false, setupMode: true)
    if isApplied { try #require(try machine.apply().failures.isEmpty) }
  }

  func host(_ recorder: MutationRecorder = MutationRecorder()) throws -> Host { try machine.host(recorder.gate) }

  func setMode(secureBoot: Bool, setupMode: Bool) throws {
    try machine.put(.secureBoot, [secureBoot ? 1 : 0])
    try machine.put(.setupMode, [setupMode ? 1 : 0])
  }

  @discardableResult
  func stage(
    automatic: Bool = false, force: Bool = false, vendor: EnrolmentGoal.Vendor = .keep, dryRun: Bool = false,
    on host: Host? = nil
  ) throws -> StageKeys.Result {
    var stage = StageKeys()
    stage.isAutomatic = automatic
    stage.forcesEnrolment = force
    stage.vendor = vendor
    stage.isDryRun = dryRun
    return try stage.run(on: host ?? self.host())
  }

  func list(_ serial: String, _ path: String) throws -> [String] { try directory.list(machine.path(serial, path)) }
  func read(_ serial: String, _ path: String) throws -> [UInt8]? { try directory.read(machine.path(serial, path)) }
  func write(_ serial: String, _ path: String, _ bytes: [UInt8]) throws {
    try directory.write(machine.path(serial, path), bytes)
  }

  /// The content of all files in a directory of an ESP.
  func content(_ serial: String, _ path: String) throws -> [String: [UInt8]] {
    try list(serial, path).reduce(into: [:]) { $0[$1] = try read(serial, "\(path)/\($1)") }
  }

  /// Does what firmware does with an update: it sets the variable to the payload.
  func enrol(_ names: [String] = ["db", "KEK", "PK"], from path: String, on serial: String = serials[0]) throws {
    let variables: [String: EFIVariableName] = ["db": .signatureDatabase, "KEK": .keyExchangeKey, "PK": .platformKey]
    for name in names {
      let update = try #require(try read(serial, "\(path)/\(name).auth"))
      try machine.put(#require(variables[name]), AuthenticatedVariable(parsing: update).payload)
    }
    if names.contains("PK") { try setMode(secureBoot: true, setupMode: false) }
  }

  /// The lists with Microsoft's certificates in Debian's ovmf.
  func vendorLists() throws -> [EFIVariableName: [UInt8]] {
    let image = try FileSystem().readFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", limit: 1 << 20)
    return try VariableStore(parsing: image).variables.mapValues(\.data)
  }

  /// The SHA-256 fingerprints of the certificates in a list, by efitools and openssl.
  func fingerprints(_ list: [UInt8]) throws -> Set<String> {
    let scratch = try TemporaryDirectory()
    try scratch.write("in.esl", list)
    try ExternalTool("sig-list-to-certs").run([scratch.path(of: "in.esl"), scratch.path(of: "out")])
    return Set(
      try scratch.list("/").filter { $0.hasPrefix("out-") && $0.hasSuffix(".der") }.map { name in
        let text = try ExternalTool("openssl").run([
          "x509", "-inform", "DER", "-in", scratch.path(of: name), "-noout", "-fingerprint", "-sha256",
        ])
        return String(decoding: text, as: UTF8.self).split(separator: "=").last
          .map { $0.filter(\.isHexDigit).lowercased() } ?? ""
      })
  }
}
