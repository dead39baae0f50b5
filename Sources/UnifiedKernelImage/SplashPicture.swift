// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// A BMP picture for `.splash`.
///
/// systemd-stub silently skips a picture that it cannot draw, so its rules apply here (src/boot/splash.c of systemd).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 2 | `BM` |
/// | 2 | 4 | size of the file |
/// | 10 | 4 | offset of the pixels |
/// | 14 | 4 | size of the information header, from here |
/// | 18 | 4 + 4 | width and height in pixels |
/// | 28 | 2 | bits per pixel |
/// | 30 | 4 | compression |
/// | 46 | 4 | number of colours in the table, 0 for all |
/// | 54 | 3 × 4 | masks of red, green and blue, if the information header has at least 52 bytes |
package struct SplashPicture: Sendable {
  /// What may prevent some stubs from showing the picture; nil if nothing does.
  package private(set) var note: Message?

  private static let fileHeaderSize = 14
  private static let informationSize = 40
  private static let informationSizeWithMasks = 52
  /// Maximum size of the pixels in bytes.
  private static let pixelLimit = 64 << 20

  private let input: NamedInput
  private let pixelOffset: Int
  private let headerSize: Int
  private let width: Int
  private let height: Int
  private let depth: Int
  private let colorCount: Int

  /// Checks that the stub shows the picture.
  ///
  /// Throws `ImageError` `content`.
  package init(parsing input: NamedInput) throws {
    self.input = input
    let needed = Self.fileHeaderSize + Self.informationSizeWithMasks
    let bytes = try input.bytes.readBytes(at: 0, count: min(needed, input.bytes.count), format: "BMP")
    guard bytes.count >= Self.fileHeaderSize + Self.informationSize, bytes.starts(with: "BM".utf8) else {
      throw ImageError(.content, "\(input.name) is not a BMP picture", hint: Self.hint)
    }
    var reader = ByteReader(bytes, format: "BMP")
    func word(at offset: Int) throws -> Int {
      try reader.seek(to: offset)
      return try reader.readCount(UInt32.self)
    }
    let size = try word(at: 2)
    pixelOffset = try word(at: 10)
    headerSize = try word(at: 14)
    (width, height) = (try word(at: 18), try word(at: 22))
    try reader.seek(to: 28)
    depth = try reader.readCount(UInt16.self)
    let compression = try word(at: 30)
    colorCount = try word(at: 46)
    guard size == input.bytes.count else {
      throw failure("the file has \(input.bytes.count) bytes, but its header says \(size)")
    }
    guard headerSize >= Self.informationSize else {
      throw failure("its header has \(headerSize) bytes; at least \(Self.informationSize) are required")
    }
    try requireColors(compression: compression)
    try requirePixels()
    try requireColorTable()
    guard depth == 16 || depth == 32, headerSize >= Self.informationSizeWithMasks else { return }
    for offset in [54, 58, 62] where bytes.count >= needed {
      // The stub divides by a number that is 0 for an empty mask.
      guard 1...8 ~= (try word(at: offset)).nonzeroBitCount else { throw failure("its colour masks are invalid") }
    }
  }

  private func requireColors(compression: Int) throws {
    switch depth {
    case 1, 4, 8, 24: if compression == 0 { return }
    case 16, 32: if compression == 0 || compression == 3 { return }
    default: throw failure("it has \(depth) bits per pixel; use 1, 4, 8, 16, 24 or 32")
    }
    throw failure("it is compressed")
  }

  private func requirePixels() throws {
    guard width > 0, height > 0 else { throw failure("it has no pixels") }
    guard Int32(exactly: height) != nil else { throw failure("its rows are stored from top to bottom") }
    // Width and depth have at most 32 and 6 bits, the height 31: the product fits in 64 only if the row is limited.
    let row = (depth * width + 31) / 32 * 4
    guard row <= Self.pixelLimit, row * height <= Self.pixelLimit else {
      throw failure("its pixels take more than \(Self.pixelLimit >> 20) MiB")
    }
    guard pixelOffset <= input.bytes.count, row * height <= input.bytes.count - pixelOffset else {
      throw failure("it is truncated")
    }
  }

  /// The stub requires exactly the colours that the header announces.
  ///
  /// Current versions also require all colours that the pixels can name, older ones (252) do not.
  private mutating func requireColorTable() throws {
    let allColors = depth <= 8 ? 1 << depth : 0
    let size = pixelOffset - Self.fileHeaderSize - headerSize
    guard size == 0 || size == 4 * (colorCount == 0 ? allColors : colorCount) else {
      throw failure("the size of its colour table is wrong")
    }
    guard size < 4 * allColors else { return }
    guard size > 0 else { throw failure("its colour table is missing") }
    note = "\(input.name) has \(size / 4) of \(allColors) colours in its table; newer EFI stubs do not show it"
  }

  private func failure(_ reason: Message) -> ImageError {
    ImageError(.content, "\(input.name): the EFI stub does not show this picture: \(reason)", hint: Self.hint)
  }

  private static let hint: Message = "save it as an uncompressed BMP picture with 24 bits per pixel"
}
