// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// How a member of a package is compressed; its name says so, and dpkg goes by the name.
package enum MemberCompression: String, CaseIterable, Hashable, Sendable {
  case none = ""
  case gzip = ".gz"
  case xz = ".xz"
  case zstd = ".zst"
  case bzip2 = ".bz2"
  case lzma = ".lzma"

  /// The end of a member's name after `control.tar` or `data.tar`.
  package var suffix: String { rawValue }

  /// What the member begins with; nothing for `none` and for lzma, which has no mark.
  var mark: [UInt8] {
    switch self {
    case .none, .lzma: []
    case .gzip: [0x1f, 0x8b]
    case .xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]
    case .zstd: [0x28, 0xb5, 0x2f, 0xfd]
    case .bzip2: Array("BZh".utf8)
    }
  }
}
