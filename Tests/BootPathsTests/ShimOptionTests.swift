// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootPaths
import EFIData
import TestSupport
import Testing

@Suite struct ShimOptionTests {
  private static let shim = "/EFI/proxmox/shimx64.efi"
  private static func option(_ text: String) -> ShimOption {
    ShimOption(parsing: EFIText.serialize(text), shim: shim)
  }

  /// Cases from rhboot/shim 16.1, load-options.c and its test-load-options.c.
  @Test func theFirstWordNamesTheSecondStage() {
    #expect(Self.option(#"\EFI\Linux\a.efi"#) == .file("/EFI/Linux/a.efi"))
    #expect(Self.option(#"\EFI\Linux\a.efi quiet"#) == .file("/EFI/Linux/a.efi"))
    #expect(Self.option(#"\fwupdx64.efi"#) == .file("/EFI/proxmox/fwupdx64.efi"))
    #expect(Self.option(#"  grubx64.efi"#) == .file("/EFI/proxmox/grubx64.efi"))
    // Only capitals make it a path from the root.
    #expect(Self.option(#"\efi\Linux\a.efi"#) == .file("/EFI/proxmox/a.efi"))
    // The EFI shell passes shim's own path first.
    #expect(Self.option(#"\EFI\proxmox\shimx64.efi \EFI\Linux\a.efi"#) == .file("/EFI/Linux/a.efi"))
  }

  @Test func uselessOptionsMeanTheDefault() {
    #expect(Self.option("") == .defaultLoader)
    #expect(ShimOption(parsing: [], shim: Self.shim) == .defaultLoader)
    #expect(ShimOption(parsing: [0x46, 0x4a, 0], shim: Self.shim) == .defaultLoader)
    #expect(ShimOption(parsing: [0, 0, 0x42, 0x4f], shim: Self.shim) == .defaultLoader)
    // Without a NUL or a space shim finds no end.
    #expect(ShimOption(parsing: Array(EFIText.serialize("a.efi").dropLast(2)), shim: Self.shim) == .defaultLoader)
    // EDK2's mark of entries that it created.
    let mark: [UInt8] = [
      0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d, 0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2,
    ]
    #expect(ShimOption(parsing: [0, 0] + mark, shim: Self.shim) == .defaultLoader)
    #expect(ShimOption(parsing: EFIText.serialize(#"\EFI\a.efi"#) + mark, shim: Self.shim) == .file("/EFI/a.efi"))
  }

  @Test func hostileOptionsMeanTheDefault() {
    for text in [
      #"\EFI\..\..\x.efi"#, #"\EFI\.\x.efi"#, "\\EFI\\a/b.efi", "\\EFI\\" + String(repeating: "a", count: 2000),
    ] {
      #expect(Self.option(text) == .defaultLoader, "\(text.prefix(20))")
    }
    #expect(ShimOption(parsing: [0x00, 0xd8, 0x41, 0, 0, 0], shim: Self.shim) == .defaultLoader)
    for damaged in Mutations(of: EFIText.serialize(#"\EFI\Linux\a.efi quiet"#), count: 2000) {
      if case .file(let path) = ShimOption(parsing: damaged, shim: Self.shim) {
        #expect(path.hasPrefix("/") && !path.contains("/../"))
      }
    }
  }
}
