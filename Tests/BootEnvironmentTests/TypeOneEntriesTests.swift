// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct TypeOneEntriesTests {
  let esp: TemporaryDirectory
  init() throws { esp = try TemporaryDirectory() }

  private func survey() throws -> TypeOneEntries { try .survey(on: esp.host().files) }
  private func removals() throws -> [TypeOneEntries.Removal] { try survey().removals }

  /// The files of a kernel as proxmox-boot-tool 8.1.0 writes them.
  private func putProxmox(_ version: String, entry: Bool = true) throws {
    let directory = "EFI/proxmox/\(version)"
    try esp.write("\(directory)/vmlinuz-\(version)", "k")
    try esp.write("\(directory)/initrd.img-\(version)", "i")
    guard entry else { return }
    try esp.write(
      "loader/entries/proxmox-\(version).conf",
      """
      title    Proxmox Virtual Environment
      version  \(version)
      options  root=ZFS=rpool/ROOT/pve-1 boot=zfs
      linux    /\(directory)/vmlinuz-\(version)
      initrd   /\(directory)/initrd.img-\(version)

      """)
  }

  @Test func entriesByProxmoxAreReadAndRemoved() throws {
    try putProxmox("6.8.12-4-pve")
    try putProxmox("6.8.12-3-pve", entry: false)
    try esp.write("EFI/proxmox/grubx64.efi", "g")
    try esp.write("EFI/Linux/pve-6.8.12-4-pve.efi", "ours")
    let entries = try survey().entries
    let first = try #require(entries.first)
    #expect(first.path == "/loader/entries/proxmox-6.8.12-4-pve.conf" && first.version == "6.8.12-4-pve")
    #expect(first.title == "Proxmox Virtual Environment" && first.options == "root=ZFS=rpool/ROOT/pve-1 boot=zfs")
    #expect(first.program == "/EFI/proxmox/6.8.12-4-pve/vmlinuz-6.8.12-4-pve" && first.startsKernel)
    #expect(first.initrds == ["/EFI/proxmox/6.8.12-4-pve/initrd.img-6.8.12-4-pve"])
    #expect(entries.map(\.isOfProxmox) == [true, true] && entries.last?.path == nil)
    #expect(
      try removals() == [
        .file("/loader/entries/proxmox-6.8.12-4-pve.conf"),
        .file("/EFI/proxmox/6.8.12-3-pve/vmlinuz-6.8.12-3-pve"),
        .file("/EFI/proxmox/6.8.12-3-pve/initrd.img-6.8.12-3-pve"), .directory("/EFI/proxmox/6.8.12-3-pve"),
        .file("/EFI/proxmox/6.8.12-4-pve/vmlinuz-6.8.12-4-pve"),
        .file("/EFI/proxmox/6.8.12-4-pve/initrd.img-6.8.12-4-pve"), .directory("/EFI/proxmox/6.8.12-4-pve"),
      ])
    for removal in try removals() { try TypeOneEntries.perform(removal, on: esp.host().files) }
    #expect(try survey() == .survey(on: TemporaryDirectory().host().files))
    #expect(try removals().isEmpty)
    #expect(try esp.list("EFI/proxmox") == ["grubx64.efi"])
    #expect(try esp.list("EFI/Linux") == ["pve-6.8.12-4-pve.efi"] && esp.list("loader/entries").isEmpty)
  }

  /// After a failure at any step, a new plan completes the removal, and no entry is dangling.
  @Test func anInterruptedRemovalIsCompleted() throws {
    for number in 1... {
      try putProxmox("6.8.12-4-pve")
      let recorder = MutationRecorder(.from(number))
      let files = try esp.host(gate: recorder.gate).files
      let plan = try removals()
      let isDone = (try? plan.forEach { try TypeOneEntries.perform($0, on: files) }) != nil
      for entry in try survey().entries where entry.path != nil {
        #expect(try files.exists(entry.program) && entry.initrds.allSatisfy { try files.exists($0) })
      }
      for removal in try removals() { try TypeOneEntries.perform(removal, on: esp.host().files) }
      #expect(try survey().entries.isEmpty && esp.list("EFI/proxmox").isEmpty)
      if isDone {
        #expect(number > 6)
        return
      }
    }
  }

  @Test func foreignEntriesAreListedAndKept() throws {
    try esp.write(
      "loader/entries/debian.conf",
      "title Debian\r\nlinux \\debian\\vmlinuz\ninitrd /a\ninitrd b\noptions x\noptions y\n")
    try esp.write("loader/entries/memtest.conf", "efi /EFI/memtest.efi\n")
    // An entry for a pve-sb-uki UKI, and one that needs a Proxmox file in addition to its own kernel.
    try esp.write("loader/entries/ours.conf", "linux /EFI/Linux/pve-6.8.12-4-pve.efi\n")
    try esp.write(
      "loader/entries/mixed.conf", "linux /other/vmlinuz\ninitrd /efi/PROXMOX/6.8.12-4-pve/initrd.img-6.8.12-4-pve\n")
    try putProxmox("6.8.12-4-pve")
    let entries = try survey().entries
    #expect(entries.map(\.isOfProxmox) == [false, false, false, false, true])
    #expect(
      entries[0].program == "/debian/vmlinuz" && entries[0].initrds == ["/a", "/b"] && entries[0].options == "x y")
    #expect(!entries[1].startsKernel)
    #expect(
      try removals() == [
        .file("/loader/entries/proxmox-6.8.12-4-pve.conf"), .file("/EFI/proxmox/6.8.12-4-pve/vmlinuz-6.8.12-4-pve"),
      ])
  }

  @Test func aForeignFileKeepsTheDirectory() throws {
    try putProxmox("6.8.12-4-pve")
    try esp.write("EFI/proxmox/6.8.12-4-pve/notes.txt", "mine")
    #expect(try removals().count == 3 && !removals().contains(.directory("/EFI/proxmox/6.8.12-4-pve")))
  }

  /// Files that systemd-boot ignores, and paths that would leave the directory.
  @Test(arguments: [
    (".hidden.conf", "linux /a\n"), ("auto-x.conf", "linux /a\n"), ("x.txt", "linux /a\n"), ("x.conf", "title x\n"),
    ("x.conf", "linux\n"), ("x.conf", "# linux /a\n"), ("x.conf", "\u{0}linux /a\n"), ("x.conf", ""),
  ])
  func invalidEntriesAreSkipped(name: String, text: String) throws {
    try esp.write("loader/entries/\(name)", text)
    #expect(try survey().entries.isEmpty)
  }

  @Test(arguments: [
    "/EFI/proxmox/../../x", "/EFI/proxmox/../vmlinuz", "/EFI/proxmox/a/b/c", "/EFI/proxmox/vmlinuz",
    "/EFI/proxmox/a b/c",
  ])
  func unsafePathsAreNotAttributedToProxmox(path: String) throws {
    try esp.write("loader/entries/x.conf", "linux \(path)\n")
    #expect(try survey().entries.map(\.isOfProxmox) == [false])
    #expect(try removals().isEmpty)
  }

  @Test func hugeOrUnreadableEntriesPreventTheRemoval() throws {
    try putProxmox("6.8.12-4-pve")
    #expect(try !removals().isEmpty)
    try esp.write("loader/entries/huge.conf", [UInt8](repeating: 0x20, count: 1 << 17))
    mkfifo(esp.path(of: "loader/entries/pipe.conf"), 0o600)
    for number in 0..<600 { try esp.write("loader/entries/n\(number).conf", "linux /a\n") }
    let found = try survey()
    #expect(found.entries.count <= 512 && !found.entries.isEmpty)
    #expect(found.notes.count == 2 && found.notes.contains { $0.hasSuffix("603 entries; only the first 512 are read") })
    #expect(try removals().isEmpty)
  }

  @Test func damagedEntriesNeverCrash() throws {
    let text = "title x\nlinux /EFI/proxmox/6.8.12-4-pve/vmlinuz-6.8.12-4-pve\ninitrd /i\n"
    for bytes in Mutations(of: Array(text.utf8), count: 3000) {
      let entry = TypeOneEntry(parsing: bytes, path: "/loader/entries/x.conf")
      #expect(entry.map { $0.initrds.count <= 4 && $0.program.hasPrefix("/") } ?? true)
    }
  }
}
