// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Glibc
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

/// Lists of any length end in a bounded time, and one bad kernel does not affect the others.
@Suite struct ApplyBoundsTests {
  private let scene: ApplyScene
  private let older = ApplyScene.older
  private let newer = ApplyScene.newer
  init() throws { scene = try ApplyScene() }

  private func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let time = try clock.measure { try body() }
    return Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
  }

  private func shell(_ script: String) throws {
    try ExternalTool("sh").run(["-ec", "cd \"$1\"; \(script)", "sh", scene.directory.path])
  }

  /// Without a limit, every line is an error that is compared with all others.
  ///
  /// In a debug build, each limit is a multiple of the present time.
  @Test(arguments: [16, 36]) func manyListedPartitions(radix: Int) throws {
    // Four characters each: a file of more than 64 KiB is not read. Those with letters after F are not valid.
    let lines = (1...13_000).map { String(radix == 16 ? 0x1000 + $0 : 36 * 36 * 36 * 20 + $0, radix: radix) }
    try scene.directory.write("etc/kernel/proxmox-boot-uuids", lines.joined(separator: "\n"))
    let time = try seconds {
      let failures = try scene.apply().failures
      #expect((2...70).contains(failures.count))
      #expect(failures.contains { $0.message.contains("only the first 64") })
    }
    #expect(time < 10)
  }

  @Test func manyKernels() throws {
    try shell("for i in $(seq 1500); do mkdir lib/modules/5.4.$i-1-pve; : >boot/vmlinuz-5.4.$i-1-pve; done")
    let time = try seconds {
      let report = try scene.apply()
      #expect(report.failures.isEmpty)
    }
    #expect(time < 20)
    #expect(try scene.isComplete(newer))
  }

  @Test func manyForeignImages() throws {
    try scene.apply()
    try shell("cd \(ApplyScene.images); for i in $(seq 8000); do echo foreign >pve-0.$i.efi; done")
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    let time = try seconds {
      let report = try scene.apply()
      #expect(report.failures.isEmpty)
      #expect(report.notes.contains { $0.contains("7744 files named pve-*.efi were not examined") })
    }
    #expect(time < 20)
    #expect(try scene.imageNames().count == 8002)
    #expect(try scene.isComplete(newer))
  }

  // MARK: One bad kernel

  private func loop(_ name: String) {
    let path = scene.directory.path(of: name)
    unlink(path)
    symlink(String(path.split(separator: "/").last ?? ""), path)
  }

  @Test(arguments: ["boot/initrd.img-", "boot/vmlinuz-"]) func aFileThatIsALoopFailsItsKernelOnly(file: String) throws {
    loop(file + older)
    let report = try scene.apply()
    #expect(report.failures.count == 1)
    #expect(report.failures.first?.message.hasPrefix("kernel \(older) gets no UKI: cannot ") == true)
    #expect(report.failures.first?.hint != nil)
    #expect(try scene.imageNames() == ["pve-\(newer).efi"])
    #expect(try scene.isComplete(newer))
  }

  @Test func itsUKIStays() throws {
    try scene.apply()
    let old = try scene.image(older)
    loop("boot/initrd.img-\(older)")
    try scene.directory.write("boot/initrd.img-\(newer)", "changed")
    #expect(try scene.apply().failures.count == 1)
    #expect(try scene.image(older) == old)
    #expect(try scene.isComplete(newer))
  }

  @Test func modulesThatAreALoopFailTheirKernelOnly() throws {
    try ExternalTool("rm").run(["-r", scene.directory.path(of: "lib/modules/\(older)")])
    symlink(older, scene.directory.path(of: "lib/modules/\(older)"))
    #expect(try scene.apply().failures.count == 1)
    #expect(try scene.isComplete(newer))
  }

  @Test func aRootDeviceThatIsALoopIsOnlyAFinding() throws {
    try scene.directory.write("dev/disk/x", "")
    symlink("loop", scene.directory.path(of: "dev/loop"))
    try scene.directory.write("etc/kernel/cmdline", "root=/dev/loop ro\n")
    #expect(try scene.apply().failures.isEmpty)
    #expect(try scene.imageNames().count == 2)
  }

  @Test func sourceDateEpochOutOfRangeBuildsNothing() throws {
    var host = try scene.host()
    host.environment = { $0 == "SOURCE_DATE_EPOCH" ? "99999999999999" : nil }
    let report = try Apply.run(on: host)
    #expect(report.failures.contains { $0.message.contains("SOURCE_DATE_EPOCH") })
    #expect(try scene.imageNames().isEmpty)
  }
}
