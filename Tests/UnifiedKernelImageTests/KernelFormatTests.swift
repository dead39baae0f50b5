// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import TestSupport
import Testing
import UnifiedKernelImage

/// What a UKI lacks because of its parts is said.
@Suite struct KernelFormatTests {
  /// systemd-boot 257 takes the title from PRETTY_NAME, IMAGE_ID, NAME or ID (`bootspec_pick_name_version_sort_key`).
  @Test(arguments: [
    ("ID=debian\n", true), ("NAME=\"Debian\"\n", true), ("PRETTY_NAME='x'", true), ("IMAGE_ID=x\n", true),
    ("  ID=debian", true), ("VERSION_ID=12\r\nID=x\r\n", true), ("VERSION_ID=12\n", false), ("#ID=debian\n", false),
    ("ID_LIKE=debian\n", false), ("ID\n", false), ("ID=\n", false), ("NAME=\"\"\nID=''\n", false),
    ("XID=debian", false),
    ("id=debian", false), ("HOME_URL=https://x/?ID=1\n", false),
  ])
  func anOSReleaseWithoutATitleIsReported(text: String, hasTitle: Bool) throws {
    var recipe = try Parts.recipe()
    recipe.osRelease = NamedInput(name: "/etc/os-release", bytes: Array(text.utf8))
    let notes = try ImagePlan(recipe).notes
    #expect(notes.contains { $0.contains("systemd-boot does not list") && $0.contains("/etc/os-release") } == !hasTitle)
  }

  private func recipe(_ change: (inout [UInt8]) -> Void) throws -> ImageRecipe {
    var kernel = try Fixture.stub257ForARM64.bytes()
    change(&kernel)
    var recipe = try Parts.recipe(.stub257ForARM64, .stub257ForARM64)
    recipe.linux = NamedInput(name: "vmlinuz", bytes: kernel)
    return recipe
  }

  /// The banner in init/version-timestamp.c, at any place, also where two reads meet.
  @Test(arguments: [0, 100, (1 << 20) - 20, (1 << 20) - 1]) func theBannerOfAnARM64KernelHasItsRelease(padding: Int)
    throws
  {
    let plan = try ImagePlan(
      recipe { kernel in
        kernel += Array("Linux version %s (%s)\0LLinux version x (\0".utf8)
        kernel += [UInt8](repeating: 0, count: max(0, padding + (1 << 20) - kernel.count))
        kernel += Array("Linux version 6.12.48+deb13-arm64 (debian-kernel@lists.debian.org) (gcc)".utf8)
      })
    #expect(plan.uname == "6.12.48+deb13-arm64" && plan.notes.isEmpty)
  }

  @Test(arguments: [nil, "gzip", "zstd22"]) func anUnknownReleaseIsReported(compression: String?) throws {
    let recipe = try recipe { kernel in
      kernel += Array("Linux version 6.12.48".utf8)
      guard let compression else { return }
      kernel.replaceSubrange(4..<8, with: "zimg".utf8)
      kernel.replaceSubrange(24..<24 + compression.utf8.count, with: compression.utf8)
      kernel[24 + compression.utf8.count] = 0
    }
    let plan = try ImagePlan(recipe)
    let notes = plan.notes.filter { $0.contains(".uname") && $0.contains("vmlinuz") && $0.contains("--uname") }
    #expect(plan.uname == nil && notes.count == 1)
    #expect(notes.first?.contains(compression.map { "compressed (\($0))" } ?? "does not contain") == true)
    var named = recipe
    named.uname = "6.12.48-x"
    #expect(try ImagePlan(named).notes.isEmpty)
  }

  @Test(arguments: ["gzip", "zstd", "xz", "lz4", "bzip2"]) func aCompressedKernelIsNamedAsSuch(program: String) throws {
    let file = try ScratchFile(try Fixture.stub257ForARM64.bytes())
    var recipe = try recipe { _ in }
    recipe.linux = NamedInput(name: "/boot/vmlinuz", bytes: try ExternalTool(program).run(["-c", file.path]))
    let error = thrown(ImageError.self) { try ImagePlan(recipe) }
    #expect(error?.description.contains("is compressed with \(program)") == true)
    #expect(error?.hint?.contains("\(program) -dc /boot/vmlinuz") == true)
  }
}
