// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootPaths
import EFIData
import Findings
import HostCommands
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct BootCheckTests {
  private let machine: MirrorScene

  init() throws { machine = try MirrorScene() }

  @Test func aMachineThatBootsItsUKIsNeedsNothing() throws {
    let recorder = MutationRecorder()
    let result = try BootCheck().run(on: machine.host(recorder.gate))
    #expect(!result.needsAttention && result.command == nil && result.survey.next?.leadsToUKI == true)
    #expect(recorder.mutations.isEmpty)
  }

  @Test func aMissingESPIsAFinding() throws {
    try machine.directory.write("etc/kernel/proxmox-boot-uuids", "1111-AAA1\n9999-AAA9\n")
    let result = try BootCheck().run(on: machine.host())
    #expect(result.needsAttention && result.findings.first?.kind == .espUnusable)
    #expect(result.findings.first?.message.contains("9999-AAA9 is missing") == true)
  }

  @Test func variablesOfAnotherDirectoryCanBeUsed() throws {
    let other = try TemporaryDirectory()
    try other.write(EFIVariableName.bootOrder.fileName, [7, 0, 0, 0, 5, 0])
    var check = BootCheck()
    check.variables = other.path
    let result = try check.run(on: machine.host())
    #expect(result.survey.paths.map(\.origin) == [.entry(5)] && result.needsAttention)
    check.variables = other.path(of: "none")
    #expect(thrown(Failure.self) { try check.run(on: machine.host()) }?.hint?.contains("efivars") == true)
  }

  @Test func aMachineWithoutVariablesIsAnError() throws {
    let directory = try TemporaryDirectory()
    #expect(throws: EFIVariableError("read", "", .noFirmware)) { try BootCheck().run(on: directory.host()) }
  }
}
