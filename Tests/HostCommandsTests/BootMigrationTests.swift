// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import Findings
import Glibc
import HostCommands
import HostScenes
import HostSystem
import Messages
import Synchronization
import TestSupport
import Testing

/// `migrate-boot` with programs that only change the list of mounts; `migrate-test` runs it on a real machine.
@Suite struct BootMigrationTests {
  private let machine: MirrorScene
  private static let boot = "8:2"
  private static let table = "UUID=boot /boot ext4 defaults 0 2\nUUID=esp /boot/efi vfat defaults 0 1\n"

  /// A machine that was booted from its UKI, with an ESP at /boot/efi below a /boot partition.
  init() throws {
    machine = try MirrorScene()
    try machine.directory.write("etc/fstab", Self.table)
    try machine.directory.write("usr/sbin/update-initramfs", "")
    try machine.directory.write("sys/dev/block/8:2/uevent", "MAJOR=8\nDEVNAME=sda2\n")
    try machine.directory.write("sys/dev/block/8:2/partition", "2\n")
  }

  /// What the programs have done: the mounts, and the calls.
  private final class Machine: Sendable {
    struct State {
      var mounts = ["/boot", "/boot/efi"]
      var isReadOnly = false
      var calls: [String] = []
      var failing: String?
    }
    let state = Mutex(State())
    let directory: TemporaryDirectory

    init(_ directory: TemporaryDirectory) throws {
      self.directory = directory
      try write(State())
    }

    func run(_ program: String, _ arguments: [String]) throws -> Int32 {
      let call = ([program] + arguments.map { $0.contains("\n") ? "SCRIPT" : $0 }).joined(separator: " ")
      let (code, state) = self.state.withLock { state -> (Int32, State) in
        state.calls.append(call)
        if state.failing == call { return (32, state) }
        switch program {
        case "umount": state.mounts.removeAll { $0 == arguments[0] }
        case "mount" where arguments.count == 1: state.mounts.append(arguments[0])
        case "mount": state.isReadOnly = arguments[1].hasSuffix(",ro")
        default: break
        }
        return (0, state)
      }
      try write(state)
      return code
    }

    private func write(_ state: State) throws {
      let lines =
        ["21 1 252:0 / / rw - ext4 /dev/mapper/pve-root rw"]
        + state.mounts.enumerated().map { index, path in
          path == "/boot"
            ? "\(30 + index) 21 8:2 / /boot \(state.isReadOnly ? "ro" : "rw") - ext4 /dev/sda2 rw"
            : "\(30 + index) 21 8:1 / \(path) rw - vfat /dev/sda1 rw"
        }
      try directory.write("proc/self/mountinfo", lines.joined(separator: "\n") + "\n")
    }
  }

  /// The host, with devices that cannot exist in a directory.
  private func host(_ programs: Machine) throws -> Host {
    var host = try machine.host()
    host.isRunningSystem = true
    host.processes = ProcessRunner(run: { try programs.run($0, $1) })
    return host
  }

  /// Without block devices in a test, /etc/fstab cannot match.
  @Test func aLineForAnotherDeviceIsAnObstacle() throws {
    let programs = try Machine(machine.directory)
    let result = try BootMigration().run(on: host(programs))
    let texts = result.obstacles.map(\.message.description)
    #expect(texts.contains { $0.hasPrefix("/etc/fstab mounts UUID=boot at /boot, but ") })
    #expect(texts.contains { $0.hasPrefix("/boot/efi is mounted, but not by one line of /etc/fstab") })
    #expect(result.obstacles.allSatisfy { $0.hint != nil } && result.steps.isEmpty)
    #expect(programs.state.withLock { $0.calls.allSatisfy { $0.hasPrefix("unshare") } })
    #expect(try machine.directory.read(String(BootMigrationRecord.filePath.dropFirst())) == nil)
  }

  @Test(arguments: [
    ("8:2 / /boot rw - vfat /dev/sda1 rw", "/boot is the ESP itself"),
    ("0:40 / /boot rw - zfs bpool/BOOT rw", "/boot is the ZFS dataset bpool/BOOT"),
    ("0:41 /@boot /boot rw - btrfs /dev/sda3 rw", "/boot is /@boot of /dev/sda3"),
    ("8:2 /boot /boot rw - ext4 /dev/sda2 rw", "/boot is /boot of /dev/sda2"),
    ("0:50 / /boot rw - autofs systemd-1 rw", "/boot is mounted on demand"),
  ])
  func whatIsNotAPartitionIsRefused(mount: String, words: String) throws {
    let programs = try Machine(machine.directory)
    try machine.directory.write("proc/self/mountinfo", "21 1 252:0 / / rw - ext4 /dev/root rw\n30 21 \(mount)\n")
    let error = thrown(Failure.self) { try BootMigration().run(on: host(programs)) }
    #expect(error?.description.hasPrefix(words) == true && error?.hint != nil)
  }

  @Test func withoutAPartitionNothingIsToBeDone() throws {
    let programs = try Machine(machine.directory)
    try machine.directory.write("proc/self/mountinfo", "21 1 252:0 / / rw - ext4 /dev/root rw\n")
    let result = try BootMigration().run(on: host(programs))
    #expect(result.notes.count == 1 && result.obstacles.isEmpty && result.state == nil)
  }

  @Test func anotherRootIsRefused() throws {
    var host = try machine.host()
    host.isRunningSystem = false
    #expect(throws: Failure.self) { try BootMigration().run(on: host) }
  }

  /// A power cut after /etc/fstab was changed.
  @Test func aRunThatWasCutGoesOn() throws {
    let programs = try Machine(machine.directory)
    programs.state.withLock { $0.mounts = [] }
    try machine.directory.write("proc/self/mountinfo", "21 1 252:0 / / rw - ext4 /dev/root rw\n")
    try machine.directory.write("etc/fstab", "#\(Self.table)")
    try machine.directory.write(
      "var/lib/pve-sb-uki/boot-migration", "state switching\npath /dev/sda2\ndevice 8:2\nboot x\nbelow /boot/efi\n")
    let result = try BootMigration().run(on: host(programs))
    #expect(result.state == .unproven && result.next?.command.description == "systemctl reboot")
    #expect(
      programs.state.withLock { $0.calls } == ["mount /boot/efi", "update-initramfs -u -k all"])
    let record = try #require(try BootMigrationRecord.load(from: machine.host().files))
    #expect(record.state == .unproven && record.below == ["/boot/efi"])
  }

  /// A kill between the change of /etc/fstab and the unmounting.
  @Test func aRunThatWasKilledWithTheLineDisabledUnmounts() throws {
    let programs = try Machine(machine.directory)
    programs.state.withLock { $0.mounts = ["/boot"] }
    _ = try programs.run("mount", ["-o", "remount,ro", "/boot"])
    programs.state.withLock { $0.calls = [] }
    try machine.directory.write("etc/fstab", "#\(Self.table)")
    try machine.directory.write("etc/fstab.pve-sb-uki", Self.table)
    try machine.directory.write("proc/stat", "btime 1763712000\n")
    try machine.put(.stubInfo, EFIText.serialize("systemd-stub 257"))
    try machine.put(.loaderImageIdentifier, EFIText.serialize("\\EFI\\Linux\\pve-\(MirrorScene.newer).efi"))
    try machine.directory.write(
      "var/lib/pve-sb-uki/boot-migration", "state switching\npath /dev/sda2\ndevice 8:2\nboot x\n")
    let result = try BootMigration().run(on: host(programs))
    #expect(result.obstacles.isEmpty && result.state == .unproven, "\(result.obstacles)")
    let calls = programs.state.withLock { $0.calls }
    #expect(calls.contains("umount /boot") && calls.last == "update-initramfs -u -k all")
    #expect(try machine.directory.read("etc/fstab") == Array("#\(Self.table)".utf8))
  }

  /// Someone has only unmounted it.
  @Test func anActiveLineWithoutAMountIsAnError() throws {
    let programs = try Machine(machine.directory)
    try machine.directory.write("proc/self/mountinfo", "21 1 252:0 / / rw - ext4 /dev/root rw\n")
    try machine.directory.write(
      "var/lib/pve-sb-uki/boot-migration", "state switching\npath /dev/sda2\ndevice 8:2\n")
    let error = thrown(Failure.self) { try BootMigration().run(on: host(programs)) }
    #expect(error?.hint?.contains("mount /boot") == true)
    #expect(programs.state.withLock { $0.calls } == [])
  }

  @Test(arguments: [
    "", "state nonsense\npath x\ndevice 1:1\n", "state copying\n", "state copying\npath /x\ndevice 1\n",
  ])
  func aDamagedRecordIsAnError(text: String) throws {
    try machine.directory.write("var/lib/pve-sb-uki/boot-migration", text)
    #expect(throws: Failure.self) { try BootMigrationRecord.load(from: machine.host().files) }
  }
}
