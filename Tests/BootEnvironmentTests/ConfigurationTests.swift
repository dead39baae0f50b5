// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct ConfigurationTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  private let file = "etc/pve-sb-uki/pve-sb-uki.conf"
  private func load() throws -> Configuration { try Configuration(of: directory.host().files) }

  @Test func withoutFilesEverythingIsDefault() throws { #expect(try load() == Configuration()) }

  @Test func everyKeyIsRead() throws {
    try directory.write(
      file,
      """
      # comment
      Enabled=no
      \t Strict = yes\r
      Keep=3

      Key=/k=1
      Certificate=/c d
      Chain=systemd-boot
      Esp=/mnt/esp
      Removable=yes
      Type1=remove
      """)
    let configuration = try load()
    #expect(!configuration.isEnabled && configuration.isStrict && configuration.keep == 3)
    #expect(configuration.key == "/k=1" && configuration.certificate == "/c d")
    #expect(configuration.chain == .systemdBoot && configuration.espPath == "/mnt/esp")
    #expect(configuration.writesRemovablePath && configuration.typeOne == .remove)
  }

  /// Foreign files are neither overwritten nor removed unless configured.
  @Test func foreignFilesAreLeftAloneByDefault() {
    #expect(!Configuration().writesRemovablePath && Configuration().typeOne == .keep)
  }

  @Test func dropInsOverrideInByteOrderAndEmptyMeansDefault() throws {
    try directory.write(file, "Keep=1\nStrict=yes\nKey=/x\n")
    try directory.write("\(file).d/20.conf", "Keep=2\nKey=\n")
    try directory.write("\(file).d/10.conf", "Keep=9\n")
    try directory.write("\(file).d/30.conf.dpkg-new", "nonsense")
    try directory.write("\(file).d/.40.conf", "nonsense")
    let configuration = try load()
    #expect(configuration.keep == 2 && configuration.isStrict && configuration.key == Configuration.defaultKey)
  }

  @Test(arguments: [
    "Bogus=1", "enabled=no", "Enabled=maybe", "Keep=-1", "Keep=x", "Keep=99999999999999999999", "Chain=grub", "Esp=efi",
    "Removable=1", "Type1=yes", "type1=keep", "Key=relative", "no equals sign", "=x", "Key=/a\u{0}b", "Key=/a\u{1b}b",
    "Promotion=yes", "ConfirmUnits=a b", "ConfirmUnits=../x.service", "ConfirmUnits=-x.service", "ConfirmSeconds=3601",
    "TrialSeconds=59", "TrialSeconds=x", "Watchdog=a b", "Watchdog=../a", "Watchdog=-r",
  ])
  func invalidSettingsAreReportedWithTheirLine(text: String) throws {
    try directory.write("\(file).d/x.conf", "# first\n\(text)\n")
    let error = thrown(BootEnvironmentError.self) { try load() }
    #expect(error?.path == "/\(file).d/x.conf" && error?.line == 2)
  }

  @Test func theHintForAKeyNamesBothForms() throws {
    try directory.write(file, "Key=relative\n")
    let hint = thrown(BootEnvironmentError.self) { try load() }?.hint
    #expect(hint?.contains("absolute path") == true && hint?.contains("URI") == true)
  }

  @Test func damagedFilesNeverCrash() throws {
    for content in Mutations(of: Array("Enabled=yes\n# c\nKeep=3\nEsp=/efi\n".utf8), count: 2000) {
      _ = try? SettingsFile(parsing: content, path: "x")
    }
  }

  @Test func anUnreadableFileIsAnError() throws {
    mkdir(directory.path(of: "etc"), 0o755)
    mkdir(directory.path(of: "etc/pve-sb-uki"), 0o755)
    mkfifo(directory.path(of: file), 0o600)
    #expect(throws: HostError.self) { try load() }
  }
}
