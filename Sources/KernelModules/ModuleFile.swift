// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Compression

/// Tells kernel modules from other files.
package enum ModuleFile {
  private static let suffixes = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"]

  /// The module's name as in `lsmod`; nil if the file name is not that of a module.
  package static func name(ofFile fileName: String) -> String? {
    let suffix = suffixes.first { fileName.hasSuffix($0) }
    return suffix.map { String(fileName.dropLast($0.count)) }
  }

  /// Whether the content, compressed or not, starts as an ELF file does.
  ///
  /// EFI images start with `MZ`. A damaged stream is not a module. Throws what reading throws.
  package static func isModule(_ file: any RandomAccessBytes) throws -> Bool {
    struct Enough: Error {}
    var start: [UInt8] = []
    do {
      try CompressedStream(file).forEachChunk(limit: 1 << 30) { chunk in
        start += chunk.prefix(4 - start.count)
        if start.count == 4 { throw Enough() }
      }
    } catch is Enough {
    } catch let error as CompressionError where error.operation != .unavailable {
      return false
    }
    return start.elementsEqual([0x7f, 0x45, 0x4c, 0x46])
  }
}
