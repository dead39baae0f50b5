// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct ApplyCommandLineTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  /// The command line in the UKI, extracted by objcopy.
  private func embedded(_ release: String) throws -> String {
    let (content, copy) = (try ScratchFile(), try ScratchFile())
    try ExternalTool("objcopy").run([
      "--dump-section", ".cmdline=\(content.path)", scene.directory.path(of: ApplyScene.imageName(release)), copy.path,
    ])
    return String(decoding: try content.bytes(), as: UTF8.self)
  }

  private func states(_ result: ApplyReport) -> [String] { result.images.map { "\($0.kernel) \($0.state.rawValue)" } }

  @Test func aFragmentRebuildsAllImagesOnce() throws {
    try scene.apply()
    try scene.directory.write("etc/kernel/cmdline.d/iommu.conf", "# guests\niommu=pt\n")
    #expect(try states(scene.apply()) == ["\(newer) signed", "\(older) signed"])
    #expect(try embedded(newer) == "root=/dev/mapper/pve-root ro iommu=pt")
    #expect(try embedded(older) == embedded(newer))
    let recorder = MutationRecorder()
    #expect(try states(scene.apply(recorder)) == ["\(newer) current", "\(older) current"])
    #expect(recorder.mutations.isEmpty)
  }

  @Test func anOverrideRebuildsOnlyThatKernelsImage() throws {
    try scene.apply()
    try scene.directory.write("etc/kernel/cmdline-\(older)", "root=/dev/mapper/pve-root debug\n")
    #expect(try states(scene.apply()) == ["\(newer) current", "\(older) signed"])
    #expect(try embedded(older) == "root=/dev/mapper/pve-root debug")
    #expect(try embedded(newer) == "root=/dev/mapper/pve-root ro")
  }

  @Test func anInvalidLineFailsOnlyItsKernel() throws {
    try scene.apply()
    let old = try scene.image(older)
    try scene.directory.write("etc/kernel/cmdline-\(older)", "a\u{7}")
    try scene.directory.write("etc/kernel/cmdline", "root=/dev/mapper/pve-root new\n")
    let result = try scene.apply()
    #expect(states(result) == ["\(newer) signed", "\(older) failed"])
    #expect(result.failures.count == 1 && result.failures[0].description.contains("cmdline-\(older), line 1"))
    #expect(try scene.image(older) == old)
    #expect(try embedded(newer) == "root=/dev/mapper/pve-root new")
  }

  /// initramfs-tools would not find the root file system, so a note is not enough.
  @Test func quotationMarksThatTheInitrdCannotReadAreAFailure() throws {
    try scene.directory.write("usr/sbin/mkinitramfs", "")
    try scene.directory.write("etc/kernel/cmdline", "root=\"UUID=0a3407de\" ro\n")
    let result = try scene.apply()
    #expect(result.failures.count == 1 && result.failures[0].hint?.contains("cmdline edit") == true)
    #expect(
      result.failures[0].description.hasPrefix("the command line in /etc/kernel/cmdline: initramfs-tools cannot read"))
    #expect(try scene.apply().failures.count == 1)
    try scene.directory.write("etc/kernel/cmdline", "root=UUID=0a3407de ro dyndbg=\"file a.c +p\"\n")
    #expect(try scene.apply().failures.isEmpty)
  }

  @Test func anOpenQuotationMarkKeepsTheImages() throws {
    try scene.apply()
    let old = try scene.image(newer)
    try scene.directory.write("etc/kernel/cmdline", "root=/dev/sda1 x=\"a b\n")
    #expect(throws: (any Error).self) { try scene.apply() }
    #expect(try scene.image(newer) == old)
  }

  @Test func problemsOfALineAreNotes() throws {
    try scene.directory.write("etc/kernel/cmdline", "quiet init=/bin/sh nokaslr\n")
    let result = try scene.apply()
    #expect(result.failures.isEmpty && states(result) == ["\(newer) signed", "\(older) signed"])
    let notes = result.notes.filter { $0.hasPrefix("the command line in /etc/kernel/cmdline: ") }
    #expect(notes.count == 2 && notes[0].contains("init=/bin/sh") && notes[1].contains("root= is missing"))
  }
}
