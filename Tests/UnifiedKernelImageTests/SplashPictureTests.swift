// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Messages
import TestSupport
import Testing
import UnifiedKernelImage

/// Pictures as in Microsoft's description of BITMAPFILEHEADER and BITMAPINFOHEADER, and what systemd-stub makes of them
/// (bmp_parse_header in src/boot/splash.c).
@Suite struct SplashPictureTests {
  /// A picture; tests change one field.
  struct Picture {
    var signature = "BM"
    var size: UInt32?
    var offset: UInt32?
    var headerSize: UInt32 = 40
    var width: UInt32 = 5
    var height: UInt32 = 3
    var depth: UInt16 = 24
    var compression: UInt32 = 0
    var colorsUsed: UInt32 = 0
    /// The rest of the information header.
    var extra: [UInt8] = []
    var colors: Int?
    var pixels: Int?

    var bytes: [UInt8] {
      var writer = ByteWriter()
      let table = 4 * (colors ?? (depth <= 8 ? 1 << Int(depth) : 0))
      let row = (Int(depth) * Int(min(width, 1000)) + 31) / 32 * 4
      let pixels = pixels ?? row * Int(min(height, 1000))
      let start = 14 + Int(headerSize) + table
      writer.write(signature.utf8)
      writer.write(size ?? UInt32(start + pixels))
      writer.write(UInt32(0))
      writer.write(offset ?? UInt32(start))
      for field in [headerSize, width, height] { writer.write(field) }
      writer.write(UInt16(1))
      writer.write(depth)
      writer.write(compression)
      for _ in 0..<3 { writer.write(UInt32(0)) }
      writer.write(colorsUsed)
      writer.write(UInt32(0))
      writer.write(extra)
      writer.pad(to: start + pixels)
      return writer.bytes
    }
  }

  private func plan(_ bytes: [UInt8]) throws -> ImagePlan {
    var recipe = try Parts.recipe()
    recipe.splash = NamedInput(name: "splash.bmp", bytes: bytes)
    return try ImagePlan(recipe)
  }

  private func plan(_ change: (inout Picture) -> Void) throws -> ImagePlan {
    var picture = Picture()
    change(&picture)
    return try plan(picture.bytes)
  }

  private static func masks(_ values: UInt32...) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
  }

  @Test(arguments: [1, 4, 8, 16, 24, 32] as [UInt16]) func picturesThatTheStubShows(_ depth: UInt16) throws {
    #expect(try plan { $0.depth = depth }.notes == plan { $0.depth = 24 }.notes)
    #expect(throws: Never.self) {
      _ = try plan {
        $0.depth = depth
        $0.headerSize = 124
        let masks =
          depth == 16 ? Self.masks(0x7c00, 0x03e0, 0x001f, 0) : Self.masks(0xff0000, 0xff00, 0xff, 0xff00_0000)
        $0.extra = masks + [UInt8](repeating: 0, count: 68)
      }
    }
  }

  @Test func masksAndFullPalettesAreAccepted() throws {
    #expect(throws: Never.self) {
      _ = try plan {
        ($0.depth, $0.compression, $0.headerSize) = (16, 3, 56)
        $0.extra = Self.masks(0xf800, 0x07e0, 0x001f, 0)
      }
      _ = try plan { ($0.depth, $0.colorsUsed) = (8, 256) }
    }
  }

  /// Stub 252 shows it, later ones do not.
  @Test func aShortPaletteIsNoted() throws {
    let notes = try plan { ($0.depth, $0.colorsUsed, $0.colors) = (8, 16, 16) }.notes
    #expect(notes.contains { $0.contains("16 of 256 colours") })
  }

  private static let skipped: [(reason: String, change: @Sendable (inout Picture) -> Void)] = [
    ("is not a BMP picture", { $0.signature = "BA" }),
    ("its header says 100", { $0.size = 100 }),
    ("is truncated", { ($0.pixels, $0.size) = (47, nil) }),
    ("is truncated", { ($0.width, $0.pixels) = (0x2000, 48) }),
    ("is truncated", { $0.offset = 1000 }),
    ("is compressed", { ($0.depth, $0.compression) = (8, 1) }),
    ("is compressed", { ($0.depth, $0.compression) = (4, 2) }),
    ("is compressed", { ($0.depth, $0.compression) = (24, 3) }),
    ("is compressed", { ($0.depth, $0.compression) = (32, 4) }),
    ("has 2 bits per pixel", { $0.depth = 2 }),
    ("has 0 bits per pixel", { $0.depth = 0 }),
    ("has 64 bits per pixel", { ($0.depth, $0.pixels) = (64, 120) }),
    ("from top to bottom", { ($0.height, $0.pixels) = (UInt32(bitPattern: -3), 48) }),
    ("no pixels", { ($0.height, $0.pixels) = (0, 48) }),
    ("no pixels", { ($0.width, $0.pixels) = (0, 48) }),
    ("more than 64 MiB", { ($0.width, $0.height, $0.pixels) = (0xffff_ffff, 0x7fff_ffff, 48) }),
    ("more than 64 MiB", { ($0.width, $0.height, $0.pixels) = (8192, 8192, 48) }),
    ("colour table is wrong", { ($0.offset, $0.pixels) = (58, 52) }),
    ("colour table is wrong", { ($0.depth, $0.compression, $0.offset, $0.pixels) = (32, 3, 66, 72) }),
    ("colour table is wrong", { ($0.depth, $0.colorsUsed) = (8, 16) }),
    ("colour table is wrong", { ($0.offset, $0.pixels) = (40, 62) }),
    ("colour table is missing", { ($0.depth, $0.colors) = (8, 0) }),
    ("colour masks", { ($0.depth, $0.headerSize, $0.extra) = (32, 52, masks(0, 0, 0)) }),
    ("colour masks", { ($0.depth, $0.headerSize, $0.extra) = (32, 52, masks(0x3ff0_0000, 0xffc00, 0x3ff)) }),
    ("header has 12 bytes", { ($0.headerSize, $0.pixels) = (12, 60) }),
  ]

  @Test(arguments: skipped.indices)
  func picturesThatTheStubSkipsAreRefused(index: Int) throws {
    let (reason, change) = Self.skipped[index]
    let error = try #require(thrown(ImageError.self) { try plan(change) })
    #expect(error.rule == .content && error.hint != nil)
    #expect(error.description.contains(reason), "\(error)")
    #expect(error.description.contains("splash.bmp"))
  }

  @Test func damagedPicturesNeverCrash() throws {
    var picture = Picture()
    (picture.depth, picture.headerSize) = (16, 56)
    picture.extra = Self.masks(0xf800, 0x07e0, 0x001f, 0)
    for count in picture.bytes.indices { #expect(throws: ImageError.self) { try plan(Array(picture.bytes[..<count])) } }
    for mutation in Mutations(of: picture.bytes, count: 300) { _ = try? plan(mutation) }
  }
}
