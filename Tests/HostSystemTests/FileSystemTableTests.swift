// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import TestSupport
import Testing

@Suite struct FileSystemTableTests {
  private static let text = """
    # <file system> <mount point> <type> <options>
    /dev/mapper/pve-root / ext4 errors=remount-ro 0 1
    UUID=aaaa-bbbb\t/boot/ ext4 defaults 0 2
      UUID="CCCC-0001"  /boot/efi   vfat umask=0077,nofail 0 1
    #UUID=old /boot ext4 defaults
    10.0.0.1:/x /mnt/with\\040space nfs defaults 0 0
    broken
    """

  private func table(_ text: String = text) -> FileSystemTable { FileSystemTable(parsing: Array(text.utf8)) }

  @Test func entriesAreReadAsByMount() {
    let entries = table().entries
    #expect(entries.map(\.path) == ["/", "/boot", "/boot/efi", "/mnt/with space"])
    #expect(
      entries.map(\.devicePath) == [
        "/dev/mapper/pve-root", "/dev/disk/by-uuid/aaaa-bbbb", "/dev/disk/by-uuid/CCCC-0001", nil,
      ])
    #expect(entries[2].options == ["umask=0077", "nofail"] && entries[2].fileSystem == "vfat")
  }

  @Test(arguments: ["", "\n", "\r\n", "\n\n"]) func onlyThatLineChanges(end: String) throws {
    let text = Self.text + end
    let entry = try #require(table(text).entries.first { $0.path == "/boot" })
    let changed = String(decoding: table(text).disabling(entry), as: UTF8.self)
    #expect(changed == text.replacing("UUID=aaaa-bbbb", with: "#UUID=aaaa-bbbb"))
    #expect(table(changed).entries.allSatisfy { $0.path != "/boot" })
  }
}
