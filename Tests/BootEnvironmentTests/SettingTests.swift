// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import TestSupport
import Testing

@Suite struct SettingTests {
  private func setting(_ key: String, to value: String, in text: String) -> String {
    String(decoding: SettingsFile.setting(key, to: value, in: Array(text.utf8)), as: UTF8.self)
  }

  @Test func everySettingWritesItsDefault() {
    let written = Setting.all.map { "\($0.key)=\($0.value(in: Configuration()))" }
    #expect(
      written == [
        "Enabled=yes", "Strict=no", "Keep=0", "KeyDirectory=/etc/pve-sb-uki/keys", "Key=/etc/pve-sb-uki/keys/db.key",
        "Certificate=/etc/pve-sb-uki/keys/db.crt", "PassphraseFile=", "Esp=", "Chain=auto", "Removable=no",
        "Type1=keep", "Dkms=no", "Promotion=immediate", "ConfirmUnits=", "ConfirmSeconds=30", "TrialSeconds=900",
        "Watchdog=", "Splash=", "SecureBoot=required",
      ])
  }

  /// Each accepted value is written as it was read.
  @Test(arguments: [
    ("Enabled", "no"), ("Strict", "yes"), ("Keep", "3"), ("Key", "pkcs11:token=boot"), ("Certificate", "/c d"),
    ("PassphraseFile", "/root/passphrase"),
    ("Esp", "/mnt/esp"), ("Chain", "systemd-boot"), ("Removable", "yes"), ("Type1", "remove"), ("Dkms", "yes"),
    ("SecureBoot", "optional"), ("Promotion", "trial"), ("ConfirmUnits", "multi-user.target a@b.service"),
    ("ConfirmSeconds", "0"), ("TrialSeconds", "86400"), ("Watchdog", "iTCO_wdt"),
  ])
  func aValueIsWrittenAsItWasRead(key: String, value: String) throws {
    let setting = try #require(Setting.named(key))
    #expect(try setting.value(of: value, path: "x") == value)
    #expect(try setting.value(of: "", path: "x") == setting.value(in: Configuration()))
  }

  @Test func anAssignmentIsReplacedInPlace() {
    #expect(setting("Keep", to: "3", in: "# a\nStrict=yes\n Keep = 1 \n# b\n") == "# a\nStrict=yes\nKeep=3\n# b\n")
  }

  @Test func theLastOfRepeatedAssignmentsIsReplaced() {
    #expect(setting("Keep", to: "3", in: "Keep=1\n#Keep=0\nKeep=2\nStrict=no") == "Keep=1\n#Keep=0\nKeep=3\nStrict=no")
  }

  @Test func otherwiseTheCommentedDefaultIsReplaced() {
    let text = "# Keep= is a number\n# Keep=5 is one\n#Keeper=1\n#Keep=0\n\n#Strict=no\n"
    #expect(
      setting("Keep", to: "3", in: text)
        == "# Keep= is a number\n# Keep=5 is one\n#Keeper=1\nKeep=3\n\n#Strict=no\n")
  }

  @Test func aMissingSettingIsAppended() {
    #expect(setting("Keep", to: "3", in: "") == "Keep=3\n")
    #expect(setting("Keep", to: "3", in: "# a\n") == "# a\nKeep=3\n")
    #expect(setting("Keep", to: "3", in: "# a") == "# a\nKeep=3\n")
  }

  @Test func lineEndingsAreKept() {
    #expect(setting("Keep", to: "3", in: "Keep=1\r\nStrict=no\r\n") == "Keep=3\r\nStrict=no\r\n")
    #expect(setting("Dkms", to: "no", in: "Keep=1\r\nStrict=no\r\n") == "Keep=1\r\nStrict=no\r\nDkms=no\r\n")
    #expect(setting("Dkms", to: "no", in: "Keep=1\r\nStrict=no") == "Keep=1\r\nStrict=no\r\nDkms=no\r\n")
    #expect(setting("Strict", to: "yes", in: "Keep=1\nStrict=no") == "Keep=1\nStrict=yes")
  }

  /// For arbitrary bytes, the other lines are kept and the parser finds the new value.
  @Test func hostileFilesKeepTheirOtherLines() throws {
    let sample = Array("# Keep\n#Keep=0\nStrict=yes\r\nKeep=1\n\nKeep=2\nEsp=/efi\n".utf8)
    for content in Mutations(of: sample, count: 2000) {
      let changed = SettingsFile.setting("Keep", to: "7", in: content)
      let before = content.split(separator: 0x0a, omittingEmptySubsequences: false)
      let after = changed.split(separator: 0x0a, omittingEmptySubsequences: false)
      let differing = zip(before, after).count { $0 != $1 }
      // A last line without a line feed may have been given one.
      #expect(differing <= 1 || after.count > before.count && differing <= 2)
      #expect(after.count <= before.count + 2)
      guard let parsed = try? SettingsFile(parsing: changed, path: "x") else { continue }
      #expect(parsed.entries.last { $0.key == "Keep" }?.value == "7")
    }
  }
}
