// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// `Splash=`: a picture is an input of every UKI.
@Suite struct SplashTests {
  private let machine: MirrorScene

  init() throws { machine = try MirrorScene() }

  /// A picture of 2 × 2 pixels with 24 bits each, rows padded to 8 bytes (BITMAPINFOHEADER).
  private static func picture(_ color: UInt8) -> [UInt8] {
    func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    let header = Array("BM".utf8) + word(70) + word(0) + word(54) + word(40) + word(2) + word(2) + [1, 0, 24, 0]
    return header + [UInt8](repeating: 0, count: 24) + [UInt8](repeating: color, count: 16)
  }

  /// `objcopy` is the oracle for what is in the UKI.
  private func splash() throws -> [UInt8]? {
    let path = machine.directory.path(
      of: machine.path(MirrorScene.serials[0], "/EFI/Linux/pve-\(MirrorScene.newer).efi"))
    let output = try ScratchFile()
    let result = try ExternalTool("objcopy").result([
      "-O", "binary", "--dump-section", ".splash=\(output.path)", path, "/dev/null",
    ])
    let bytes = try output.bytes()
    return result.status == 0 && !bytes.isEmpty ? bytes : nil
  }

  private func set(_ value: String) throws {
    _ = try ConfigurationSet([.init("Splash", value)]).run(on: machine.host())
  }

  @Test func thePictureIsInEveryUKIAndFollowsItsFile() throws {
    #expect(try splash() == nil)
    try machine.directory.write("etc/splash.bmp", Self.picture(1))
    try set("/etc/splash.bmp")
    #expect(try machine.apply().failures.isEmpty && splash()?.starts(with: Self.picture(1)) == true)
    #expect(try !machine.apply().isChange)
    try machine.directory.write("etc/splash.bmp", Self.picture(2))
    #expect(try machine.apply().isChange && splash()?.starts(with: Self.picture(2)) == true)
    try set("")
    #expect(try machine.apply().isChange && splash() == nil)
  }

  @Test func aPictureThatTheStubDoesNotShowCannotBeSet() throws {
    try machine.directory.write("etc/splash.bmp", "no picture")
    for path in ["/etc/splash.bmp", "/etc/none.bmp"] {
      let error = thrown(Failure.self) { try set(path) }
      #expect(error?.description.hasPrefix("the picture of Splash= cannot be used") == true && error?.hint != nil)
    }
    #expect(thrown((any Error).self) { try set("relative.bmp") } != nil)
  }

  /// The UKIs that boot stay as they are.
  @Test func aPictureThatIsDamagedLaterIsAFailure() throws {
    try machine.directory.write("etc/splash.bmp", Self.picture(1))
    try set("/etc/splash.bmp")
    try machine.apply()
    let before = try machine.image(MirrorScene.serials[0], MirrorScene.newer)
    try machine.directory.write("etc/splash.bmp", "damaged")
    let report = try machine.apply()
    let failures = report.failures + (report.plan?.failures ?? [])
    #expect(failures.contains { $0.description.contains("the picture of Splash= cannot be used") })
    #expect(try machine.image(MirrorScene.serials[0], MirrorScene.newer) == before)
  }
}
