// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The processor an image is for; unknown values are kept.
package struct Machine: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The corresponding constant is `IMAGE_FILE_MACHINE_AMD64`.
  package static let amd64 = Machine(rawValue: 0x8664)
  /// The corresponding constant is `IMAGE_FILE_MACHINE_ARM64`.
  package static let arm64 = Machine(rawValue: 0xaa64)

  /// Those that have 64-bit EFI firmware: also RISC-V and LoongArch.
  static let known: Set<Machine> = [.amd64, .arm64, Machine(rawValue: 0x5064), Machine(rawValue: 0x6264)]

  package var description: String {
    switch self {
    case .amd64: "x86-64"
    case .arm64: "AArch64"
    default: "machine 0x" + String(rawValue, radix: 16)
    }
  }
}
