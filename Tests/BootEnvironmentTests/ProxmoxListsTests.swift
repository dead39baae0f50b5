// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import BootEnvironment
import Glibc
import HostSystem
internal import Messages
import TestSupport
import Testing

@Suite struct ProxmoxListsTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private func load() throws -> ProxmoxLists { ProxmoxLists(of: try directory.host().files) }

  @Test func withoutFilesTheListsAreEmpty() throws { #expect(try load() == ProxmoxLists()) }

  /// As proxmox-boot-tool 8.1.0 writes them: `echo` into a pin, `sort -u` into the list.
  @Test func filesByProxmoxBootToolAreRead() throws {
    try directory.write(ProxmoxLists.pinPath, "6.8.12-4-pve\n")
    try directory.write(ProxmoxLists.nextBootPinPath, "6.11.11-2-pve\n")
    try directory.write(ProxmoxLists.manualPath, "6.5.13-6-pve\n6.8.12-1-pve\n")
    var times = [timespec(tv_sec: 1_700_000_000, tv_nsec: 5), timespec(tv_sec: 1_700_000_000, tv_nsec: 5)]
    utimensat(AT_FDCWD, directory.path(of: ProxmoxLists.nextBootPinPath), &times, 0)
    let lists = try load()
    #expect(lists.pin?.release == "6.8.12-4-pve" && lists.nextBootPin?.release == "6.11.11-2-pve")
    #expect(lists.nextBootPinTime == 1_700_000_000_000_000_005)
    #expect(lists.manual.map(\.release) == ["6.5.13-6-pve", "6.8.12-1-pve"])
    #expect(lists.notes.isEmpty)
  }

  @Test(arguments: [
    ("6.8.12-4-pve", "6.8.12-4-pve"), (" \t6.8.12-4-pve \r\n", "6.8.12-4-pve"),
    ("6.8.12-4-pve\njunk\u{1b}\n", "6.8.12-4-pve"),
    ("", nil), ("\n6.8.12-4-pve\n", nil),
  ])
  func onlyTheFirstLineIsAPin(text: String, release: String?) throws {
    try directory.write(ProxmoxLists.pinPath, text)
    #expect(try load().pin?.release == release && load().notes.isEmpty)
  }

  @Test(arguments: ["../../etc\n", "6.8.12-4-pve 6.8.12-5-pve\n", "# none\n", "a\u{1b}[2J\n", "\u{0}\n", "é\n"])
  func invalidReleasesAreSkipped(text: String) throws {
    try directory.write(ProxmoxLists.pinPath, text)
    let lists = try load()
    #expect(lists.pin == nil)
    #expect(lists.notes == ["/etc/kernel/proxmox-boot-pin, line 1: not a kernel release; skipped"])
  }

  @Test func junkInTheManualListCausesOneNote() throws {
    try directory.write(
      ProxmoxLists.manualPath, "6.5.13-6-pve\n\n/boot/x\n6.8.12-1-pve\r\n6.5.13-6-pve\n*\n\u{1b}\n6.2.16-3-pve")
    let lists = try load()
    #expect(lists.manual.map(\.release) == ["6.5.13-6-pve", "6.8.12-1-pve", "6.2.16-3-pve"])
    #expect(
      lists.notes.map(\.description) == [
        "/etc/kernel/proxmox-boot-manual-kernels, line 3: not a kernel release; skipped, as are "
          + "2 lines after it"
      ])
  }

  @Test func anUnreadableFileDoesNotAffectTheOthers() throws {
    try directory.write(ProxmoxLists.manualPath, "6.5.13-6-pve\n")
    mkfifo(directory.path(of: ProxmoxLists.pinPath), 0o600)
    try directory.write(ProxmoxLists.nextBootPinPath, [UInt8](repeating: 0x36, count: 1 << 17))
    let lists = try load()
    #expect(lists.pin == nil && lists.nextBootPin == nil && lists.nextBootPinTime == 0)
    #expect(lists.manual.map(\.release) == ["6.5.13-6-pve"] && lists.notes.count == 2)
    #expect(lists.notes.allSatisfy { $0.hasSuffix("; skipped") })
  }

  @Test func damagedListsNeverCrash() throws {
    for content in Mutations(of: Array("6.8.12-4-pve\r\n6.5.13-6-pve\n".utf8), count: 300) {
      try directory.write(ProxmoxLists.manualPath, content)
      let lists = try load()
      #expect(lists.manual.count <= 16 && lists.notes.count <= 1)
    }
  }
}
