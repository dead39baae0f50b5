// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import HostCommands
import HostScenes
import HostSystem
import Messages
import PortableExecutable
import Reconcile
import TestSupport
import Testing

/// From one chain to another: what the previous one left behind is neither used nor kept.
@Suite struct ChainChangeTests {
  private let machine: MirrorScene
  private let serials = MirrorScene.serials

  init() throws {
    machine = try MirrorScene()
    try machine.directory.write(BootPrograms.amd64.systemdBoot, Fixture.systemdBoot257.bytes())
  }

  private func apply(chain: String, gate: @escaping Mutation.Gate = { _ in }) throws -> ApplyReport {
    try machine.directory.write(Configuration.path, "Chain=\(chain)\n")
    return try machine.apply(on: machine.host(gate))
  }
  private func loaders() throws -> [Bool] {
    let path = LoaderPath(.amd64).systemdBoot
    return try serials.map { try machine.directory.read(machine.path($0, path)) != nil }
  }
  private func settles() throws -> Bool {
    let recorder = MutationRecorder()
    return try machine.apply(on: machine.host(recorder.gate)).failures.isEmpty && recorder.mutations.isEmpty
  }
  /// The variables that systemd-boot from pve-sb-uki's directory sets.
  private func bootBySystemdBoot() throws {
    try machine.directory.write("proc/stat", "btime 1763712000\n")
    try machine.put(.loaderInfo, EFIText.serialize("systemd-boot 257.9"))
  }

  /// As a person does who only wanted to try it.
  @Test(arguments: [false, true]) func autoDoesNotTakeItsOwnLeftoversForTheHosts(isBooted: Bool) throws {
    #expect(try apply(chain: "systemd-boot").failures.isEmpty && loaders() == [true, true])
    if isBooted { try bootBySystemdBoot() }
    let result = try apply(chain: "auto")
    #expect(result.plan?.chainName == "direct" && result.failures.isEmpty)
    #expect(try loaders() == [false, false] && result.removedLoaders.count == 2)
    #expect(try machine.order().filter { $0.hasPrefix("pve-") }.count == 4)
    #expect(try settles())
  }

  @Test func aHostThatUsesSystemdBootKeepsIt() throws {
    for serial in serials {
      try machine.directory.write(
        machine.path(serial, "/EFI/systemd/systemd-bootx64.efi"), Fixture.systemdBoot257.bytes())
    }
    #expect(try apply(chain: "systemd-boot").plan?.chainName == "systemd-boot")
    try bootBySystemdBoot()
    #expect(try apply(chain: "auto").plan?.chainName == "systemd-boot" && loaders() == [true, true])
    #expect(try settles())
  }

  /// Promise I1: at every moment, an entry leads to a UKI or to the loader, which is still there.
  @Test func theLoaderGoesAfterTheEntries() throws {
    _ = try apply(chain: "systemd-boot")
    let recorder = MutationRecorder()
    _ = try apply(chain: "direct", gate: recorder.gate)
    let kinds = recorder.mutations.filter { $0.kind == .remove || $0.kind == .write }.map(\.path)
    let order = try #require(kinds.lastIndex { $0.contains("BootOrder") })
    let removal = try #require(kinds.firstIndex { $0.contains("systemd-bootx64.efi") })
    #expect(order < removal)
    // Boot entries that cannot be written keep the loader.
    _ = try apply(chain: "systemd-boot")
    let result = try apply(chain: "direct") { mutation in
      if mutation.path.contains("Boot0") || mutation.path.contains("BootOrder") {
        throw HostError("write", mutation.path, detail: "no")
      }
    }
    #expect(try !result.failures.isEmpty && loaders() == [true, true])
  }

  /// Promise I1 with a kill at every change: each program that the boot order names still exists.
  @Test func aKillAtAnyChangeLeavesTheBootOrderUsable() throws {
    _ = try apply(chain: "systemd-boot")
    let recorder = MutationRecorder()
    _ = try apply(chain: "direct", gate: recorder.gate)
    #expect(recorder.mutations.count > 10)
    for number in 1...recorder.mutations.count {
      _ = try apply(chain: "systemd-boot")
      _ = try? apply(chain: "direct", gate: MutationRecorder(.from(number)).gate)
      let variables = try machine.variables()
      let files = variables.order.compactMap { variables[$0]?.option?.file }.filter(\.isInOurNameSpace)
      #expect(!files.isEmpty)
      for file in files {
        let index = try #require((0..<2).first { MirrorScene.location($0).guid == file.partition.guid })
        #expect(try machine.directory.read(machine.path(serials[index], file.path)) != nil, "\(number): \(file.path)")
      }
      #expect(try apply(chain: "direct").failures.isEmpty && loaders() == [false, false])
    }
  }
}
