// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The processor type of an image; unknown values are kept.
package struct Machine: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The corresponding constant is `IMAGE_FILE_MACHINE_AMD64`.
  package static let amd64 = Machine(rawValue: 0x8664)
  /// The corresponding constant is `IMAGE_FILE_MACHINE_ARM64`.
  package static let arm64 = Machine(rawValue: 0xaa64)

  /// The corresponding constant is `IMAGE_FILE_MACHINE_RISCV64`.
  package static let riscv64 = Machine(rawValue: 0x5064)
  /// The corresponding constant is `IMAGE_FILE_MACHINE_LOONGARCH64`.
  package static let loongArch64 = Machine(rawValue: 0x6264)

  /// The machines with 64-bit EFI firmware.
  static let known: Set<Machine> = [.amd64, .arm64, .riscv64, .loongArch64]

  /// The machines with a signed shim from Debian and a kernel from Proxmox or its ports.
  package static let supported: [Machine] = [.amd64, .arm64]

  /// The machine this program was built for.
  #if arch(arm64)
    package static let native = Machine.arm64
  #else
    package static let native = Machine.amd64
  #endif

  /// The machine's part of a boot loader's file name, in lower case (UEFI 2.10 section 3.5.1.1); `unknown` for others.
  package var efiName: String {
    switch self {
    case .amd64: "x64"
    case .arm64: "aa64"
    case .riscv64: "riscv64"
    case .loongArch64: "loongarch64"
    default: "unknown"
    }
  }

  package var description: String {
    switch self {
    case .amd64: "x86-64"
    case .arm64: "AArch64"
    default: "machine 0x" + String(rawValue, radix: 16)
    }
  }
}
