// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import HostSystem
import TestSupport
import Testing

@Suite struct LoaderDefaultTests {
  private static let names = [
    "pve-6.8.12-4-pve.efi", "pve-6.8.12-10-pve.efi", "pve-6.8.12-10-pve~previous.efi", "pve-6.14.8-2-pve.efi",
    "pve-6.14.8-2-bpo12-pve.efi", "pve-6.14.8-2-pve~previous.efi", "pve-6.1.0-50-amd64.efi",
    "pve-6.12.43+deb13-amd64.efi",
    "pve-6.18.0-rc3-1-pve.efi", "pve-6.18.0-1-pve.efi", "pve-7.0.14-14-pve.efi", "pve-7.0.14-14-pve-custom.efi",
    "pve-6.08.efi", "pve-6.8.efi", "pve-6.8a.efi", "pve-6.8.a.efi", "pve-6.8_1.efi", "pve-6.8^1.efi", "pve-~1.efi",
    "pve-.efi",
    "", "pve", "1..2", "1.2", "1--2", "00123", "123", "a1", "1a", "z", "10", "9",
  ]

  /// systemd uses the same comparison in its boot loader and in this command.
  @Test func namesAreOrderedLikeSystemd() throws {
    for left in Self.names {
      for right in Self.names where !left.isEmpty && !right.isEmpty {
        let order = try ExternalTool("systemd-analyze").result(["compare-versions", left, "lt", right])
        #expect(LoaderVersion.isOlder(left, than: right) == (order.status == 0), "\(left) and \(right)")
      }
    }
  }

  private func name(_ release: String, previous: Bool = false) throws -> UKIName {
    UKIName(try #require(Kernel(release: release)), isPrevious: previous)
  }

  @Test func thePatternIsUsedIfItSelectsTheRightImage() throws {
    let names = ["pve-6.8.12-4-pve.efi", "pve-6.14.8-2-pve.efi", "pve-6.14.8-2-pve~previous.efi", "other.efi"]
    #expect(LoaderDefault.text(for: try name("6.14.8-2-pve"), among: names) == "pve-*.efi")
    #expect(LoaderDefault.text(for: try name("6.8.12-4-pve"), among: names) == "pve-6.8.12-4-pve.efi")
    #expect(
      LoaderDefault.text(for: try name("6.14.8-2-pve", previous: true), among: names) == "pve-6.14.8-2-pve~previous.efi"
    )
    #expect(LoaderDefault.text(for: try name("6.14.8-2-pve"), among: names + ["PVE-7.efi"]) == "pve-6.14.8-2-pve.efi")
  }

  @Test(arguments: [
    ("pve-*.efi", "pve-6.14-pve.efi"), ("PVE-6.8*", "pve-6.8-pve.efi"), ("proxmox-*", nil),
    ("pve-6.?-pve.efi", "pve-6.8-pve.efi"),
    ("pve-6.[!8]*", "pve-6.14-pve.efi"), ("*", "pve-6.14-pve.efi"), ("", nil), ("@saved", nil),
    ("pve-6.8-pve.efi", "pve-6.8-pve.efi"),
  ])
  func aPatternSelectsOneName(pattern: String, choice: String?) {
    #expect(LoaderDefault.choice(of: pattern, among: ["pve-6.8-pve.efi", "PVE-6.14-pve.efi", "a.efi"]) == choice)
  }

  @Test func theVariableIsSetReadAndRemoved() throws {
    let directory = try TemporaryDirectory()
    try directory.write("\(EFIVariableStore.directory)/other", "x")
    let recorder = MutationRecorder()
    let store = EFIVariableStore(of: try directory.host(gate: recorder.gate).files)
    #expect(LoaderDefault.variable(in: store) == nil)
    try LoaderDefault.setVariable("pve-*.efi", in: store)
    #expect(LoaderDefault.variable(in: store) == "pve-*.efi")
    let file = "\(EFIVariableStore.directory)/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    // Non-volatile, boot service and runtime access; UTF-16 with a final NUL.
    #expect(try directory.read(file) == [7, 0, 0, 0] + "pve-*.efi\0".utf16.flatMap { [UInt8($0), 0] })
    let count = recorder.mutations.count
    try LoaderDefault.setVariable("pve-*.efi", in: store)
    #expect(recorder.mutations.count == count)
    try LoaderDefault.setVariable(nil, in: store)
    try LoaderDefault.setVariable(nil, in: store)
    #expect(try directory.read(file) == nil)
    for damaged in [[], [7], [7, 0, 0, 0], [7, 0, 0, 0, 0x41], [7, 0, 0, 0, 0, 0xd8, 0, 0]] as [[UInt8]] {
      try directory.write(file, damaged)
      _ = LoaderDefault.variable(in: store)
      try LoaderDefault.setVariable("x", in: store)
      #expect(LoaderDefault.variable(in: store) == "x", "\(damaged)")
    }
  }
}
