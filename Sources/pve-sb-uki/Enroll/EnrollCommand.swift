// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import Messages

/// `pve-sb-uki enroll`: makes this machine trust the signing key.
///
/// Each road is a file of its own: `EnrollCommand+Firmware`, `EnrollCommand+Stage` and `EnrollCommand+MOK`.
struct EnrollCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enroll",
    abstract: "Make this machine trust the signing key",
    discussion: """
      Without an option for the road, it takes the one that this machine offers: --firmware in Setup Mode, --mok if the \
      machine is started by shim, else --stage.
      """,
    aliases: ["enrol"])

  @OptionGroup var global: GlobalOptions
  @OptionGroup var passphrase: PassphraseOptions

  @Flag(help: "How the key gets to the firmware or to shim; by default, the road that this machine offers")
  var road: Road?

  @OptionGroup(title: "Options of --firmware") var firmware: FirmwareOptions
  @OptionGroup(title: "Options of --stage and --auto-enroll") var stage: StageOptions
  @OptionGroup(title: "Options of --mok") var mok: MOKOptions

  @Flag(help: "Print what would be done, and change nothing")
  var dryRun = false

  @Flag(help: "Do not ask for confirmation")
  var yes = false

  enum Road: String, EnumerableFlag {
    case firmware, stage, autoEnroll, mok

    static func name(for value: Road) -> NameSpecification {
      switch value {
      case .firmware: .customLong("firmware")
      case .stage: .customLong("stage")
      case .autoEnroll: .customLong("auto-enroll")
      case .mok: .customLong("mok")
      }
    }

    static func help(for value: Road) -> ArgumentHelp? {
      switch value {
      case .firmware: "Write PK, KEK and db from the running system, which needs Setup Mode"
      case .stage: "Put the public parts on every ESP, for the firmware's menu"
      case .autoEnroll: "Put the updates where systemd-boot enrolls them at the next boot"
      case .mok: "File a request that MokManager confirms at the next boot"
      }
    }
  }

  func run() throws {
    let host = passphrase.signing(try global.hostOfRoot())
    switch try road ?? defaultRoad(on: host) {
    case .firmware: try enrollInFirmware(on: host)
    case .stage: try stage(on: host, isAutomatic: false)
    case .autoEnroll: try stage(on: host, isAutomatic: true)
    case .mok: try requestMOK(on: host)
    }
  }

  private func defaultRoad(on host: Host) throws -> Road {
    switch try EnrolmentRoad(of: host) {
    case .firmware: .firmware
    case .menu: .stage
    case .mok: .mok
    }
  }
}
