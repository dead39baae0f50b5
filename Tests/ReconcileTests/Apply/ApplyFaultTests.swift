// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import Glibc
import HostScenes
import HostSystem
import Reconcile
import TestSupport
import Testing

/// Promise I1 on two mirrored ESPs: whichever change fails, or is the last before a power cut, each ESP has the UKI
/// from which this machine was booted, and the boot order leads to it or its successor.
///
/// One run does everything: it replaces the booted UKI, builds that of a new kernel, removes that of an old one, and
/// updates the boot entries.
@Suite struct ApplyFaultTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  private let newest = "6.8.12-11-pve"
  private let good: [UInt8]

  init() throws {
    scene = try ApplyScene()
    let directory = scene.directory
    try directory.write("etc/kernel/proxmox-boot-uuids", MirroredMachine.serials.joined(separator: "\n"))
    for serial in MirroredMachine.serials {
      try directory.write("\(MirroredMachine.path(of: serial))/EFI/other/file", "not ours")
    }
    let location = try #require(MirroredMachine.location(of: MirroredMachine.serials[0]))
    let foreign = try LoadOption(
      description: "proxmox", file: DevicePath.File(partition: location, path: "/EFI/proxmox/grubx64.efi"))
    try Self.set(.bootOption(0), to: foreign.serialize(), in: directory)
    try Self.set(.bootOrder, to: BootOrder([0]).serialize(), in: directory)
    #expect(try Apply.run(on: MirroredMachine.host(root: directory.path)).failures.isEmpty)

    // The machine is booted from the UKI of `newer`.
    try directory.write("proc/stat", "btime 4000000000\n")
    let vendor = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    for (name, text) in [
      ("StubInfo", "systemd-stub 257.9-1"), ("StubImageIdentifier", "\\EFI\\Linux\\pve-\(newer).efi"),
    ] {
      try directory.write("sys/firmware/efi/efivars/\(name)-\(vendor)", [6, 0, 0, 0] + EFIText.serialize(text))
    }
    #expect(try Apply.run(on: MirroredMachine.host(root: directory.path)).failures.isEmpty)
    try directory.write("proc/stat", "btime 1000000000\n")
    good = try #require(
      try directory.read("\(MirroredMachine.path(of: MirroredMachine.serials[0]))/EFI/Linux/pve-\(newer).efi"))

    try directory.write("boot/initrd.img-\(newer)", "changed")
    try scene.addKernel(newest)
    unlink(directory.path(of: "boot/vmlinuz-\(older)"))
  }

  private static func set(_ variable: EFIVariableName, to data: [UInt8], in directory: TemporaryDirectory) throws {
    try directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [7, 0, 0, 0] + data)
  }

  /// A copy of the scene in which the run fails or is killed at the change with that number.
  private func run(_ mode: String, _ number: Int) throws -> (machine: TemporaryDirectory, status: Int32, count: Int?) {
    let copy = try TemporaryDirectory()
    try ExternalTool("cp").run(["-a", "\(scene.directory.path)/.", copy.path])
    let result = try ExternalTool.built("fault-runner").result([copy.path, "apply", mode, "\(number)"])
    let text = result.text.split(separator: "\n").last.map(String.init) ?? ""
    return (copy, result.status, Int(text))
  }

  /// Paths of the UKIs to which the boot order leads, in order, on any ESP.
  private func reached(_ machine: TemporaryDirectory) throws -> [String] {
    let store = EFIVariableStore(of: try Host(root: machine.path).files)
    let variables = try BootVariables(readingFrom: store)
    return variables.order.compactMap { number in
      guard let file = variables[number]?.option?.file,
        let serial = MirroredMachine.serials.first(where: {
          MirroredMachine.location(of: $0)?.guid == file.partition.guid
        })
      else { return nil }
      return machine.path(of: MirroredMachine.path(of: serial) + file.path)
    }
  }

  private func holdsPromise(_ machine: TemporaryDirectory, _ what: String) throws {
    let certificate = try scene.key.certificateFile()
    func isSound(_ path: String) throws -> Bool {
      try ExternalTool("sbverify").result(["--cert", certificate.path, path]).status == 0
    }
    for serial in MirroredMachine.serials {
      let directory = "\(MirroredMachine.path(of: serial))/EFI/Linux"
      let images = try machine.list(directory).filter { $0.hasPrefix("pve-") }
      let contents = try images.map { try machine.read("\(directory)/\($0)") }
      #expect(contents.contains(good), "\(what): \(serial) has the booted UKI")
      for image in images { #expect(try isSound(machine.path(of: "\(directory)/\(image)")), "\(what): \(image)") }
      #expect(try machine.read("\(MirroredMachine.path(of: serial))/EFI/other/file") == Array("not ours".utf8))
    }
    let existing = try reached(machine).filter { access($0, R_OK) == 0 }
    let first = try #require(existing.first, "\(what): the boot order leads to a UKI")
    #expect(try isSound(first), "\(what): the first UKI in the boot order")
    let foreign = "\(EFIVariableStore.directory)/\(EFIVariableName.bootOption(0).fileName)"
    #expect(try machine.read(foreign) == scene.directory.read(foreign), "\(what): the foreign entry")
  }

  /// The contents of the ESPs, in the order in which the firmware tries them.
  ///
  /// Entries may have other numbers after a fault.
  private func content(_ machine: TemporaryDirectory) throws -> [String] {
    let paths = MirroredMachine.serials.map { machine.path(of: MirroredMachine.path(of: $0)) }
    let script = "find \"$@\" -type f -exec sha256sum {} + | sort -k 2"
    let sums = String(decoding: try ExternalTool("sh").run(["-c", script, "sh"] + paths), as: UTF8.self)
    let lines = sums.split(separator: "\n").map { String($0) } + (try reached(machine))
    return lines.map { line in line.split(separator: "/").filter { !machine.path.hasSuffix($0) }.joined(separator: "/")
    }
  }

  @Test(.enabled(if: SlowTests.run), arguments: ["EIO", "ENOSPC", "SIGKILL", "SIGTERM"])
  func aFaultAtAnyChangeLeavesABootableMachine(mode: String) throws {
    let (whole, status, count) = try run("none", 0)
    let changes = try #require(count)
    #expect(status == 0 && changes > 60)
    try holdsPromise(whole, "without a fault")
    let expected = try content(whole)
    // The other two differ little from EIO and SIGKILL: every seventh change, which visits all kinds of changes.
    for number in stride(from: 1, through: changes, by: ["ENOSPC", "SIGTERM"].contains(mode) ? 7 : 1) {
      let (machine, status, _) = try run(mode, number)
      // If the variable store is full, creating a boot entry is tried again.
      #expect(status != 0 || mode == "ENOSPC", "\(mode) at change \(number) of \(changes)")
      try holdsPromise(machine, "\(mode) at change \(number) of \(changes)")
      #expect(try Apply.run(on: MirroredMachine.host(root: machine.path)).failures.isEmpty)
      #expect(try content(machine) == expected, "repaired after \(mode) at change \(number) of \(changes)")
      let left = try ExternalTool("find").run([machine.path, "-name", ".*.pve-sb-uki.tmp"])
      #expect(left.isEmpty, "\(mode) at change \(number) of \(changes): \(String(decoding: left, as: UTF8.self))")
    }
    print("apply on two partitions: \(mode) at changes of \(changes), every one left a machine that boots")
  }
}
