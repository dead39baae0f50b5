// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
import TestSupport
import Testing

@Suite struct LoaderConfigurationTests {
  private static let entry = "pve-6.8.12-4-pve.efi"

  private func set(_ text: String, _ entry: String = entry) -> String {
    String(decoding: LoaderConfiguration.text(Array(text.utf8), withDefault: entry), as: UTF8.self)
  }

  /// The text that Proxmox's hook writes (8.1.0: `set_systemd_boot_default` in src/proxmox-boot/functions, run on these
  /// texts), pve-sb-uki's change to it, and the hook's change to that.
  @Test(arguments: [
    ("timeout 3\ndefault proxmox-*\n", "timeout 3\ndefault pve-6.8.12-4-pve.efi\n"),
    ("default proxmox-6.8.12-4-pve.conf\ntimeout 3\n", "default pve-6.8.12-4-pve.efi\ntimeout 3\n"),
  ])
  func theDefaultOfProxmoxIsReplaced(before: String, after: String) {
    #expect(set(before) == after)
    #expect(set(after) == after)
  }

  private static let changes: [(String, String)] = [
    ("", "default \(entry)\n"),
    ("timeout 3", "timeout 3\ndefault \(entry)\n"),
    ("timeout 3\r", "timeout 3\rdefault \(entry)\n"),
    // White space, comments and line ends are kept; the last of several lines takes effect.
    ("# default a\r\n default\ta \r\n\r\ntimeout 0", "# default a\r\ndefault \(entry)\r\n\r\ntimeout 0"),
    ("default a\ndefault b\n", "default a\ndefault \(entry)\n"),
    ("default\ndefaults x\n", "default\ndefaults x\ndefault \(entry)\n"),
    ("default @auto\n", "default @auto\ndefault \(entry)\n"), ("default @saved\n", "default \(entry)\n"),
    // The default is already set, in any form.
    ("\tdefault  \"\(entry)\"\ntimeout 3", "\tdefault  \"\(entry)\"\ntimeout 3"),
    // systemd-boot reads up to a NUL.
    ("timeout 3\u{0}default x\n", "timeout 3\ndefault \(entry)\n\u{0}default x\n"),
  ]

  @Test(arguments: changes)
  func onlyTheDefaultChanges(before: String, after: String) { #expect(set(before) == after) }

  @Test func damagedTextsGetTheDefaultAndNeverCrash() {
    for bytes in Mutations(of: Array("# x\r\ntimeout 3\n default \"proxmox-*\"\nconsole-mode 1\n".utf8), count: 3000) {
      let after = LoaderConfiguration.text(bytes, withDefault: Self.entry)
      #expect(LoaderConfiguration.defaultEntry(in: after) == Self.entry)
      #expect(LoaderConfiguration.text(after, withDefault: Self.entry) == after)
    }
  }
}
