// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import EFIData
import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct BootVariablesTests {
  private let scene: BootScene
  init() throws { scene = try BootScene() }

  @Test func allBootVariablesAreRead() throws {
    try scene.put(0x1a, BootScene.grub)
    try scene.put(.bootOption(2), try #require([UInt8](hexadecimal: BootScene.menu)))
    try scene.put(order: [0x1a, 2, 5], next: 2, current: 0x1a)
    // Names of other variables, and an empty file.
    try scene.put("Boot001b-\(EFIVariableName.globalVendor)", [7, 0, 0, 0])
    try scene.put("BootOptionSupport-\(EFIVariableName.globalVendor)", [6, 0, 0, 0, 1, 0, 0, 0])
    try scene.put(EFIVariableName.bootOption(3).fileName, [])
    let variables = try scene.variables()
    #expect(variables.entries.map(\.number) == [2, 0x1a])
    #expect(variables.entries.map(\.isActive) == [true, true])
    #expect(variables[0x1a]?.option?.description == "proxmox")
    #expect(variables.order == [0x1a, 2, 5] && variables.next == 2 && variables.current == 0x1a)
    #expect(variables.problems.isEmpty)
  }

  @Test func invalidVariablesAreKeptAndReported() throws {
    try scene.put(.bootOption(1), [1, 0, 0, 0, 9])
    try scene.put(EFIVariableName.bootOption(2).fileName, [7])
    mkdir(scene.directory.path(of: "\(EFIVariableStore.directory)/\(EFIVariableName.bootOption(3).fileName)"), 0o700)
    try scene.put(.bootNext, [1])
    let variables = try scene.variables()
    #expect(variables.entries.map(\.number) == [1, 2, 3])
    #expect(variables.entries.map(\.content) == [[7, 0, 0, 0, 1, 0, 0, 0, 9], [7], nil])
    #expect(variables.entries.allSatisfy { $0.option == nil && !$0.isActive })
    #expect(variables.problems.count == 3)
    #expect(variables.problems[0].hasPrefix("Boot0001 is left unchanged: EFI_LOAD_OPTION, byte 4:"))
    #expect(variables.next == nil)
  }

  @Test(arguments: [[7, 0, 0], [7, 0, 0, 0, 1, 0, 2]] as [[UInt8]])
  func anInvalidBootOrderIsAnError(content: [UInt8]) throws {
    try scene.put(EFIVariableName.bootOrder.fileName, content)
    let error = thrown(BootEnvironmentError.self) { try scene.variables() }
    #expect(error?.path == "firmware variable BootOrder" && error?.hint?.contains("efibootmgr") == true)
  }

  @Test func withoutFirmwareReadingIsAnError() throws {
    let store = EFIVariableStore(of: try TemporaryDirectory().host().files)
    #expect(thrown(EFIVariableError.self) { try BootVariables(readingFrom: store) }?.cause == .noFirmware)
  }
}
