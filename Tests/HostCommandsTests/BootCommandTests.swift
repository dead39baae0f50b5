// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Cryptography
import EFIData
import Glibc
import HostCommands
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct BootEntryNumberTests {
  @Test(
    arguments: [("Boot001a", 0x1a), ("001A", 0x1a), ("1a", 0x1a), ("0", 0), ("FFFF", 0xffff)] as [(String, UInt16)])
  func everyFormOfANumberIsAccepted(text: String, number: UInt16) {
    #expect(BootEntryNumber(text) == BootEntryNumber(number))
  }

  @Test(arguments: ["", "Boot", "Boot00001", "+1", "-1", "0x1", "6.8.12-9-pve", "boot1", "g", "１"])
  func invalidNumbersAreRejected(text: String) { #expect(BootEntryNumber(text) == nil) }
}

@Suite struct BootCommandTests {
  private let directory: TemporaryDirectory
  private let partition = PartitionLocation(
    number: 2, startBlock: 2048, blockCount: 1 << 20, guid: GUID(0x1111_2222, 1, 0x3333, 0x4444_5555_6666_7777))
  private static let path = "/EFI/Linux/pve-6.8.12-9-pve.efi"

  /// Entry 1 is ours, 2 is GRUB's, 3 is inactive, 4 is damaged, 5 is not in the boot order, 9 is but does not exist.
  init() throws {
    directory = try TemporaryDirectory()
    try put(1, label: "Proxmox VE 6.8.12-9-pve", path: Self.path)
    try put(2, label: "proxmox", path: "/EFI/proxmox/shimx64.efi")
    try put(3, label: "old", path: "/EFI/old.efi", isActive: false)
    try put(.bootOption(4), [1])
    try put(5, label: "spare", path: "/EFI/spare.efi")
    try put(.bootOrder, BootOrder([2, 9, 1, 3, 4, 1]).serialize())
    try put(.bootCurrent, BootOrder([2]).serialize())
    try put(.bootNext, BootOrder([1]).serialize())
  }

  private func put(_ variable: EFIVariableName, _ data: [UInt8]) throws {
    try directory.write("\(EFIVariableStore.directory)/\(variable.fileName)", [7, 0, 0, 0] + data)
  }
  private func put(_ number: UInt16, label: String, path: String, isActive: Bool = true) throws {
    var option = try LoadOption(description: label, file: DevicePath.File(partition: partition, path: path))
    if !isActive { option.attributes = [] }
    try put(.bootOption(number), option.serialize())
  }
  private func data(_ variable: EFIVariableName) throws -> [UInt8]? {
    try directory.read("\(EFIVariableStore.directory)/\(variable.fileName)").map { Array($0.dropFirst(4)) }
  }
  private func order() throws -> [UInt16]? { try data(.bootOrder).map { try BootOrder(parsing: $0).numbers } }

  private func forget(_ numbers: UInt16..., recorder: MutationRecorder = MutationRecorder()) throws -> BootForget.Result
  {
    var forget = BootForget(.named(numbers.map { BootEntryNumber($0).name }))
    forget.lockTimeout = 0
    return try forget.run(on: directory.host(gate: recorder.gate))
  }

  private func prefer(_ number: UInt16) throws -> BootPrefer.Result {
    try BootPrefer().prefer(BootEntryNumber(number), on: directory.host())
  }

  @Test func theListHasEveryEntryInBootOrder() throws {
    let result = try BootList().run(on: directory.host())
    let entries = result.entries
    #expect(entries.map(\.number.value) == [2, 9, 1, 3, 4, 5])
    #expect(entries.map(\.place) == [1, 2, 3, 4, 5, nil])
    #expect(entries.map(\.label) == ["proxmox", nil, "Proxmox VE 6.8.12-9-pve", "old", nil, "spare"])
    #expect(entries.map(\.isMissing) == [false, true, false, false, false, false])
    #expect(entries.map(\.isActive) == [true, false, true, false, false, true])
    #expect(entries.map(\.isCurrent) == [true, false, false, false, false, false])
    #expect(entries.map(\.isNext) == [false, false, true, false, false, false])
    #expect(entries.map(\.owner) == [.foreign, .foreign, .ours, .foreign, .foreign, .foreign])
    #expect(entries[2].path == Self.path && entries[2].partition == partition.guid.description)
    #expect(entries[2].devicePath?.hasPrefix("HD(2,GPT,11112222-0001-3333-4444-555566667777,0x800,") == true)
    #expect(result.problems.count == 1 && result.problems[0].hasPrefix("Boot0004 is left unchanged"))
  }

  @Test func forgettingRemovesTheEntryFromTheOrderFirst() throws {
    let recorder = MutationRecorder()
    let result = try forget(1, 5, recorder: recorder)
    #expect(
      result.forgotten.map(\.name) == ["Boot0001 (Proxmox VE 6.8.12-9-pve)", "Boot0005 (spare)"]
        && result.failures.isEmpty)
    #expect(result.notes.count == 1 && result.notes[0].hasPrefix("Boot0001 was made by pve-sb-uki"))
    #expect(try order() == [2, 9, 3, 4])
    #expect(try data(.bootOption(1)) == nil && data(.bootOption(5)) == nil && data(.bootNext) == nil)
    let changes = recorder.mutations.filter { $0.kind == .write || $0.kind == .remove }.map(\.path)
    let names = [EFIVariableName.bootNext, .bootOrder, .bootOption(1), .bootOption(5)]
    #expect(changes == names.map { "\(EFIVariableStore.directory)/\($0.fileName)" })
  }

  /// Like the firmware's file names, paths ignore case; a label does not.
  @Test(
    arguments: [
      ("spare", [5]), ("/EFI/SPARE.efi", [5]), (#"\efi\spare.EFI"#, [5]), ("Proxmox VE 6.8.12-9-pve", [1]),
      ("Boot0003", [3]),
    ] as [(String, [UInt16])])
  func anEntryIsFoundByNumberLabelOrPath(name: String, numbers: [UInt16]) throws {
    var forget = BootForget(.named([name, name]))
    forget.isDryRun = true
    let recorder = MutationRecorder()
    let result = try forget.run(on: directory.host(gate: recorder.gate))
    #expect(result.forgotten.map(\.number.value) == numbers && recorder.mutations.isEmpty)
  }

  /// Firmware that loses its list, and installers, leave several entries with one label.
  @Test func allEntriesWithTheLabelAreRemoved() throws {
    try put(6, label: "spare", path: "/EFI/other.efi")
    var forget = BootForget(.named(["spare"]))
    forget.lockTimeout = 0
    #expect(try forget.run(on: directory.host()).forgotten.map(\.number.value) == [5, 6])
    #expect(try data(.bootOption(5)) == nil && data(.bootOption(6)) == nil)
  }

  @Test func anUnknownLabelIsAnError() throws {
    for name in ["Spare", "/EFI/none.efi", ""] {
      let error = thrown(Failure.self) { try BootForget(.named([name])).run(on: directory.host()) }
      #expect(error?.description == "no boot entry is called '\(name)' or starts that program")
    }
  }

  /// GRUB may be what starts this machine.
  @Test func entriesOfOthersStayUntilThisMachineBootsFromOurs() throws {
    let error = thrown(Failure.self) { try BootForget(.foreign).run(on: directory.host()) }
    #expect(error?.description.hasPrefix("this machine was not booted from a boot entry of pve-sb-uki") == true)
  }

  @Test func numbersWithoutAnEntryAreRemovedFromTheOrder() throws {
    #expect(try forget(9, 4).forgotten.map(\.number.value) == [9, 4])
    #expect(try order() == [2, 1, 3, 1])
    #expect(try data(.bootOption(4)) == nil)
  }

  @Test func forgettingANeededOrUnknownEntryChangesNothing() throws {
    for (numbers, words) in [
      ([1, 7], "boot entry Boot0007 does not exist"), ([1, 2], "keeping Boot0002: this machine was booted from it"),
    ] as [([UInt16], String)] {
      let recorder = MutationRecorder()
      let error = thrown(Failure.self) {
        try BootForget(.named(numbers.map { BootEntryNumber($0).name })).run(on: directory.host(gate: recorder.gate))
      }
      #expect(error?.description == words && error?.hint != nil)
      #expect(recorder.mutations.allSatisfy { !$0.path.hasPrefix("/sys") })
    }
    // Apart from the current entry, 1 is the last one that the firmware would start.
    try put(.bootCurrent, [])
    let error = thrown(Failure.self) { try forget(1, 2) }
    #expect(error?.description.hasSuffix("the boot order has no other usable entry") == true)
    #expect(try order() == [2, 9, 1, 3, 4, 1])
  }

  @Test func theEntryStaysIfTheOrderCannotBeWritten() throws {
    let host = try directory.host { mutation in
      if mutation.kind == .write { throw HostError("write", mutation.path, errno: EROFS) }
    }
    let result = try BootForget(.named(["1", "9"])).run(on: host)
    #expect(result.forgotten.isEmpty && result.failures.count == 2)
    #expect(result.failures[0].hint?.contains("remount,rw") == true)
    #expect(try data(.bootOption(1)) != nil)
  }

  @Test func aPreferredEntryBecomesTheFirst() throws {
    #expect(try prefer(5).isChange)
    #expect(try order() == [5, 2, 9, 1, 3, 4, 1])
    #expect(try !prefer(5).isChange)
    #expect(thrown(Failure.self) { try prefer(3) }?.hint?.contains("efibootmgr --active --bootnum 0003") == true)
    #expect(thrown(Failure.self) { try prefer(9) }?.description == "boot entry Boot0009 does not exist")
    #expect(thrown(Failure.self) { try prefer(4) } != nil)
  }

  /// Promise I3.
  @Test func anEntryThatTheFirmwareRejectsCannotBePreferred() throws {
    let key = try SigningKey()
    try directory.write("etc/pve-sb-uki/keys/db.crt", key.certificate.serializedPEM())
    func database(_ certificate: Certificate) throws {
      let lists = SignatureDatabase(certificates: [certificate.der], owner: partition.guid)
      try put(.signatureDatabase, lists.serialize())
    }
    try put(.secureBoot, [1])
    try database(SigningKey("Stranger").certificate)
    let error = thrown(Failure.self) { try prefer(1) }
    #expect(error?.description.contains("this machine rejects Boot0001: the certificate") == true)
    #expect(try order() == [2, 9, 1, 3, 4, 1])
    // Nothing is known about foreign entries.
    #expect(try prefer(5).isChange)
    try database(key.certificate)
    #expect(try prefer(1).isChange)
    #expect(try order() == [1, 5, 2, 9, 3, 4])
    try put(.bootOrder, BootOrder([2, 1]).serialize())
    try database(SigningKey("Stranger").certificate)
    for (variable, value) in [(EFIVariableName.secureBoot, UInt8(0)), (.setupMode, 1)] {
      try put(.secureBoot, [1])
      try put(variable, [value])
      try put(.bootOrder, BootOrder([2, 1]).serialize())
      #expect(try prefer(1).isChange)
    }
  }

  @Test func machineOwnerKeysAreTrustedThroughShim() throws {
    let key = try SigningKey()
    try directory.write("etc/pve-sb-uki/keys/db.crt", key.certificate.serializedPEM())
    try put(.secureBoot, [1])
    let lists = SignatureDatabase(certificates: [key.certificate.der], owner: partition.guid)
    try put(.machineOwnerKeys, lists.serialize())
    try put(6, label: "Proxmox VE", path: "/EFI/pve-sb-uki/SHIMX64.EFI")
    #expect(try prefer(6).isChange)
    #expect(thrown(Failure.self) { try prefer(1) }?.hint?.contains("set Chain shim") == true)
    #expect(try order() == [6, 2, 9, 1, 3, 4, 1])
  }

  @Test func aKernelStaysPreferredUntilItIsForgotten() throws {
    let recorder = MutationRecorder()
    let host = try directory.host(gate: recorder.gate)
    #expect(try PreferredKernel.load(from: host.files) == nil)
    let error = thrown(Failure.self) { try BootPrefer().prefer(kernel: "6.8.12-9-pve", on: host) }
    #expect(error?.description.contains("/boot/initrd.img-6.8.12-9-pve") == true)
    for name in ["vmlinuz", "initrd.img"] { try directory.write("boot/\(name)-6.8.12-9-pve", "x") }
    try directory.write("lib/modules/6.8.12-9-pve/modules.dep", "")
    try BootPrefer().prefer(kernel: "6.8.12-9-pve", on: host)
    #expect(try directory.read("var/lib/pve-sb-uki/preferred") == Array("6.8.12-9-pve\n".utf8))
    #expect(try PreferredKernel.load(from: host.files)?.kernel.release == "6.8.12-9-pve")
    let count = recorder.mutations.count
    try BootPrefer().prefer(kernel: "6.8.12-9-pve", on: host)
    #expect(recorder.mutations.count == count)
    try BootPrefer().prefer(kernel: nil, on: host)
    try BootPrefer().prefer(kernel: nil, on: host)
    #expect(try PreferredKernel.load(from: host.files) == nil)
  }

  @Test(arguments: ["", "\n", "a b\n", "6.8\n\n", "../x\n"])
  func aDamagedPreferenceIsReported(text: String) throws {
    try directory.write("var/lib/pve-sb-uki/preferred", text)
    let error = thrown(BootEnvironmentError.self) { try PreferredKernel.load(from: directory.host().files) }
    #expect(error?.path == PreferredKernel.path && error?.hint?.contains("boot prefer") == true)
  }
}
