// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

extension KernelImage {
  /// The program that compressed a file, by its first bytes; nil for other files.
  ///
  /// arm64 kernels are often compressed as a whole, which only some boot loaders can start.
  static func compressor(of start: [UInt8]) -> String? {
    let magics: [(String, [UInt8])] = [
      ("gzip", [0x1f, 0x8b]), ("zstd", [0x28, 0xb5, 0x2f, 0xfd]), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]),
      ("lz4", [0x04, 0x22, 0x4d, 0x18]), ("lz4", [0x02, 0x21, 0x4c, 0x18]), ("bzip2", Array("BZh".utf8)),
    ]
    return magics.first { start.starts(with: $0.1) }?.0
  }

  /// The compression of the kernel in an EFI program that unpacks itself (drivers/firmware/efi/libstub/zboot-header.S):
  /// `zimg` at offset 4, and a name such as `gzip` or `zstd` at offset 24; nil for other files.
  static func selfExtractingCompression(of start: [UInt8]) -> String? {
    guard start.count >= 56, start[4..<8].elementsEqual("zimg".utf8) else { return nil }
    let name = start[24..<56].prefix { 0x21...0x7e ~= $0 }
    return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
  }

  /// The release in the text `Linux version 6.12.48 (…`, which an uncompressed kernel contains; nil without it.
  ///
  /// Reads up to 256 MiB.
  static func releaseInBanner(of bytes: any RandomAccessBytes) throws -> String? {
    let banner = Array("Linux version ".utf8)
    // A release has at most 64 bytes, which the blank and the parenthesis follow.
    let (step, overlap) = (1 << 20, banner.count + 66)
    for offset in stride(from: 0, to: min(bytes.count, 1 << 28), by: step) {
      let chunk = try bytes.readBytes(at: offset, count: min(step + overlap, bytes.count - offset), format: "kernel")
      var rest = chunk[...]
      while let index = rest.firstIndex(of: banner[0]) {
        rest = rest[index...]
        if rest.starts(with: banner) {
          let release = rest.dropFirst(banner.count).prefix { 0x21...0x7e ~= $0 && $0 != UInt8(ascii: "/") }
          // The kernel also has "Linux version %s".
          if 1...64 ~= release.count, 0x30...0x39 ~= release[release.startIndex],
            chunk[release.endIndex...].starts(with: " (".utf8)
          {
            return String(decoding: release, as: UTF8.self)
          }
        }
        rest = rest.dropFirst()
      }
    }
    return nil
  }
}
