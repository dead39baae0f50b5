// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import HostScenes
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct CommandLineShowTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  /// The report; the test fails if it changes anything.
  private func show(_ change: (inout Host) -> Void = { _ in }) throws -> CommandLineShow.Report {
    let recorder = MutationRecorder()
    var host = try scene.host(recorder)
    change(&host)
    let report = try CommandLineShow().run(on: host)
    #expect(recorder.mutations.isEmpty)
    return report
  }

  @Test func linesAreReadFromTheImagesThemselves() throws {
    try scene.apply()
    // The UKI itself is read, not the manifest.
    try scene.directory.write("var/lib/pve-sb-uki/manifest", "")
    try scene.directory.write("etc/kernel/cmdline", "quiet root=/dev/mapper/pve-root\n")
    try scene.directory.write("etc/kernel/cmdline-\(older)", "root=/dev/mapper/pve-root ro\n")
    let report = try show()
    #expect(report.lines.map(\.kernel) == [nil, older])
    #expect(report.lines.map(\.text) == ["quiet root=/dev/mapper/pve-root", "root=/dev/mapper/pve-root ro"])
    #expect(report.lines.map(\.paths) == [["/etc/kernel/cmdline"], ["/etc/kernel/cmdline-\(older)"]])
    #expect(report.images.map(\.path) == ["/EFI/Linux/pve-\(newer).efi", "/EFI/Linux/pve-\(older).efi"])
    #expect(report.images.allSatisfy { $0.isOurs && $0.esp == "/boot/efi" && $0.problem == nil })
    #expect(report.images.map(\.use?.text) == ["root=/dev/mapper/pve-root ro", "root=/dev/mapper/pve-root ro"])
    let difference = try #require(report.images[0].use?.difference)
    #expect(difference.added == ["ro"] && difference.missing == ["quiet"])
    #expect(report.images[1].use?.difference?.isEmpty == true && report.isComplete && report.problems.isEmpty)
  }

  @Test func foreignAndDamagedImagesAreShownToo() throws {
    try scene.apply()
    let image = try #require(try scene.image(newer))
    try scene.directory.write("\(ApplyScene.images)/debian.EFI", image)
    try scene.directory.write(ApplyScene.imageName(older), Array(image.prefix(100)))
    try scene.directory.write("\(ApplyScene.images)/stub.efi", Fixture.stub257.bytes())
    try scene.directory.write("\(ApplyScene.images)/notes.txt", "")
    let images = try show().images
    #expect(images.map(\.path.utf8.count).count == 4)
    #expect(images.map(\.isOurs) == [false, true, true, false])
    #expect(images[0].use?.text == images[1].use?.text && images[0].use?.kernel == newer)
    #expect(images[2].use == nil && images[2].problem != nil)
    #expect(images[3].use == nil && images[3].problem?.contains("no command line") == true)
  }

  @Test func theRunningLineIsComparedWithItsKernels() throws {
    try scene.directory.write("proc/cmdline", "BOOT_IMAGE=/x root=/dev/mapper/pve-root ro debug initrd=y\n")
    #expect(try show().running == nil)
    let running = try show {
      $0.isRunningSystem = true
      $0.kernelRelease = newer
    }.running
    #expect(running?.kernel == newer && running?.text == "root=/dev/mapper/pve-root ro debug")
    #expect(running?.difference?.added == ["debug"] && running?.difference?.missing == [])
  }

  @Test func problemsOfALineAreShown() throws {
    try scene.directory.write("etc/kernel/cmdline", "quiet vga=1\n")
    try scene.directory.write("etc/kernel/cmdline-\(older)", "\n")
    let report = try show()
    #expect(report.lines[0].errors.count == 1 && report.lines[0].warnings.count == 1)
    #expect(report.lines[1].text == nil && report.lines[1].errors.first?.contains("cmdline-\(older)") == true)
    #expect(!report.isComplete)
  }

  @Test func unreadableESPsAreReported() throws {
    try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", "Esp=/none\n")
    let report = try show()
    #expect(report.problems.count == 1 && report.problems[0].contains("/none") && report.images.isEmpty)
    #expect(report.lines[0].text != nil)
  }
}
