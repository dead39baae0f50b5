// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import PortableExecutable
import TestSupport
import Testing
import UnifiedKernelImage

@Suite struct ImageSizesTests {
  /// The sizes that objdump shows, in bytes by section.
  private func objdump(_ image: [UInt8]) throws -> [String: Int] {
    let file = try ScratchFile(image, suffix: ".efi")
    let text = String(decoding: try ExternalTool("objdump").run(["-h", file.path]), as: UTF8.self)
    let rows = text.split(separator: "\n").map { $0.split(separator: " ") }
    let sections = rows.filter { $0.count == 7 && $0[1].hasPrefix(".") }
    return Dictionary(sections.map { (String($0[1]), Int($0[2], radix: 16) ?? -1) }) { $0 + $1 }
  }

  @Test func thePartsAreThoseOfObjdump() throws {
    var recipe = try Parts.recipe()
    recipe.splash = NamedInput(name: "splash", bytes: SplashPictureTests.Picture().bytes)
    recipe.microcode = NamedInput(name: "microcode", bytes: RAMDiskBytes.archive([RAMDiskBytes.Member("a", "code")]))
    let image = try Parts.build(recipe)
    let sizes = ImageSizes(of: try PEHeader(parsing: image))
    let expected = try objdump(image)
    #expect(sizes[.kernel] == expected[".linux"] && sizes[.initrd] == expected[".initrd"])
    #expect(sizes[.microcode] == expected[".ucode"] && sizes[.splash] == expected[".splash"])
    #expect(sizes[.initrd] == Parts.initrd.count && sizes.total == image.count)
    #expect(ImageSizes.Part.allCases.reduce(0) { $0 + sizes[$1] } == image.count && sizes[.other] > 0)
  }

  @Test func microcodeBeforeTheInitrdIsCountedOnce() {
    var sizes = ImageSizes(total: 1000, [.initrd: 600, .microcode: 100])
    sizes.setMicrocode(100)
    #expect(sizes == ImageSizes(total: 1000, [.initrd: 600, .microcode: 100]))
    sizes.setMicrocode(150)
    #expect(sizes == ImageSizes(total: 1000, [.initrd: 550, .microcode: 150]) && sizes[.other] == 300)
    // More than there is.
    sizes.setMicrocode(.max)
    #expect(sizes[.initrd] == 0 && sizes[.microcode] == 700)
    #expect(ImageSizes()[.other] == 0 && ImageSizes(total: 10, [.kernel: 20])[.other] == 0)
  }
}
