// swift-tools-version:6.0
// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import PackageDescription

// A Debian source package brings what it needs along, since builders have no network. Exact: what is built is what was
// tested.
let vendored = "vendor/swift-argument-parser"
let argumentParser: Package.Dependency =
  access("\(Context.packageDirectory)/\(vendored)/Package.swift", R_OK) == 0
  ? .package(path: vendored)
  : .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")

let package = Package(
  name: "pve-sb-uki",
  products: [
    .executable(name: "pve-sb-uki", targets: ["pve-sb-uki"]),
    .executable(name: "pve-sb-uki-repack", targets: ["pve-sb-uki-repack"]),
    .executable(name: "pve-sb-uki-hook", targets: ["pve-sb-uki-hook"]),
  ],
  dependencies: [argumentParser],
  targets: [
    // C: headers and inline shims, each imported by exactly one Swift target.
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
    .target(name: "CLinux", cSettings: [.define("_FORTIFY_SOURCE", to: "2", .when(configuration: .release))]),

    // Bytes: memory and descriptors handed in, no host paths.
    .target(name: "BinaryFormat"),
    .target(name: "PortableExecutable", dependencies: ["BinaryFormat"]),
    .target(name: "EFIData", dependencies: ["BinaryFormat"]),
    .target(name: "FATFileSystem", dependencies: ["BinaryFormat"]),
    .target(name: "DebianPackage", dependencies: ["BinaryFormat"]),
    .target(name: "DebianArchive", dependencies: ["BinaryFormat"]),
    .target(name: "Compression", dependencies: ["BinaryFormat", "CArchive"]),

    // Cryptography: the only layer that touches libcrypto.
    .target(name: "Cryptography", dependencies: ["BinaryFormat", "COpenSSL"]),
    .target(name: "Authenticode", dependencies: ["BinaryFormat", "Cryptography", "PortableExecutable"]),

    .target(name: "ModuleSignature", dependencies: ["BinaryFormat", "Cryptography"]),

    // An .xz stream, block by block. The transcoder is compiled with -O also for tests, which run it on real packages.
    .target(
      name: "LZMA2", dependencies: ["BinaryFormat"],
      swiftSettings: [
        .unsafeFlags(["-O", "-wmo", "-disable-batch-mode", "-num-threads", "2"], .when(configuration: .debug))
      ]),
    .target(name: "XZ", dependencies: ["BinaryFormat", "CLZMA", "Cryptography", "LZMA2"]),

    // Host: the only layer that touches the system.
    .target(name: "HostSystem", dependencies: ["BinaryFormat", "CLinux", "EFIData", "FATFileSystem"]),

    // Domain.
    .target(
      name: "UnifiedKernelImage",
      dependencies: ["Authenticode", "BinaryFormat", "Cryptography", "EFIData", "PortableExecutable"]),
    .target(
      name: "SecureBoot",
      dependencies: ["Authenticode", "BinaryFormat", "Cryptography", "EFIData", "HostSystem", "PortableExecutable"]),
    .target(
      name: "BootEnvironment",
      dependencies: ["BinaryFormat", "DebianPackage", "EFIData", "FATFileSystem", "HostSystem", "PortableExecutable"]),

    // Apart from BootEnvironment, so that the hooks do without libarchive.
    .target(
      name: "KernelModules",
      dependencies: ["BinaryFormat", "Compression", "Cryptography", "HostSystem", "ModuleSignature", "SecureBoot"]),

    // Use cases, and what those of both products share: the failure, the key.
    .target(name: "UseCaseSupport", dependencies: ["BinaryFormat", "Cryptography", "HostSystem"]),
    .target(
      name: "PveSbUki",
      dependencies: [
        "Authenticode", "BinaryFormat", "BootEnvironment", "Cryptography", "EFIData", "FATFileSystem", "HostSystem",
        "PortableExecutable", "SecureBoot", "UnifiedKernelImage", "UseCaseSupport",
      ]),

    .target(
      name: "KernelRepack",
      dependencies: [
        "Authenticode", "BinaryFormat", "Compression", "Cryptography", "DebianArchive", "DebianPackage", "HostSystem",
        "ModuleSignature", "PortableExecutable", "UseCaseSupport", "XZ",
      ]),

    // Executables: parse arguments, call one use case, print.
    .target(name: "CommandSupport", dependencies: ["BinaryFormat", "HostSystem"]),
    .target(
      name: "CommandLineInterface",
      dependencies: [
        "BinaryFormat", "CommandSupport", "HostSystem", "UseCaseSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "pve-sb-uki",
      dependencies: [
        "BinaryFormat", "CommandLineInterface", "CommandSupport", "Cryptography", "HostSystem", "KernelModules",
        "PveSbUki", "UseCaseSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "pve-sb-uki-repack",
      dependencies: [
        "BinaryFormat", "CommandLineInterface", "CommandSupport", "Cryptography", "HostSystem", "KernelRepack",
        "UseCaseSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "pve-sb-uki-hook", dependencies: ["BinaryFormat", "CommandSupport", "HostSystem", "PveSbUki"], path: "hooks"
    ),

    // Tests mirror Sources; what several of them share is a target of its own.
    .target(
      name: "TestSupport", dependencies: ["BinaryFormat", "Cryptography", "EFIData", "FATFileSystem", "HostSystem"],
      path: "Tests/TestSupport"),
    // Runs apply as a process of its own, which can be killed at any change.
    .executableTarget(
      name: "fault-runner", dependencies: ["EFIData", "HostSystem", "PveSbUki", "TestSupport"],
      path: "Tests/FaultRunner"),
    .testTarget(name: "BinaryFormatTests", dependencies: ["BinaryFormat", "TestSupport"]),
    .testTarget(name: "EFIDataTests", dependencies: ["BinaryFormat", "EFIData", "HostSystem", "TestSupport"]),
    .testTarget(
      name: "FATFileSystemTests", dependencies: ["BinaryFormat", "FATFileSystem", "HostSystem", "TestSupport"]),
    .testTarget(name: "CommandSupportTests", dependencies: ["CommandSupport", "TestSupport"]),
    .testTarget(
      name: "SecureBootTests",
      dependencies: ["BinaryFormat", "Cryptography", "EFIData", "HostSystem", "SecureBoot", "TestSupport"]),
    .testTarget(name: "CryptographyTests", dependencies: ["BinaryFormat", "Cryptography", "TestSupport"]),
    .testTarget(name: "PortableExecutableTests", dependencies: ["BinaryFormat", "PortableExecutable", "TestSupport"]),
    .testTarget(
      name: "AuthenticodeTests",
      dependencies: ["Authenticode", "BinaryFormat", "Cryptography", "PortableExecutable", "TestSupport"]),
    .testTarget(
      name: "UnifiedKernelImageTests",
      dependencies: [
        "Authenticode", "BinaryFormat", "Cryptography", "PortableExecutable", "TestSupport", "UnifiedKernelImage",
      ]),
    .testTarget(name: "LZMA2Tests", dependencies: ["BinaryFormat", "LZMA2", "TestSupport"]),
    .testTarget(name: "XZTests", dependencies: ["BinaryFormat", "TestSupport", "XZ"]),
    .testTarget(name: "CompressionTests", dependencies: ["BinaryFormat", "Compression", "TestSupport"]),
    .testTarget(
      name: "KernelModulesTests",
      dependencies: ["BinaryFormat", "Cryptography", "EFIData", "HostSystem", "KernelModules", "TestSupport"]),
    .testTarget(
      name: "KernelRepackTests",
      dependencies: [
        "BinaryFormat", "Cryptography", "DebianArchive", "HostSystem", "KernelRepack", "ModuleSignature", "TestSupport",
        "UseCaseSupport",
      ]),
    .testTarget(
      name: "ModuleSignatureTests", dependencies: ["BinaryFormat", "Cryptography", "ModuleSignature", "TestSupport"]),
    .testTarget(name: "DebianArchiveTests", dependencies: ["BinaryFormat", "DebianArchive", "TestSupport"]),
    .testTarget(name: "DebianPackageTests", dependencies: ["DebianPackage", "TestSupport"]),
    .testTarget(
      name: "BootEnvironmentTests",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "EFIData", "FATFileSystem", "HostSystem", "PortableExecutable",
        "TestSupport",
      ]),
    .testTarget(
      name: "HookTests",
      dependencies: ["BootEnvironment", "Cryptography", "HostSystem", "TestSupport", "pve-sb-uki-hook"]),
    .testTarget(name: "HostSystemTests", dependencies: ["BinaryFormat", "EFIData", "HostSystem", "TestSupport"]),
    .testTarget(
      name: "PveSbUkiTests",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "Cryptography", "EFIData", "HostSystem", "PortableExecutable", "PveSbUki",
        "SecureBoot", "TestSupport", "UseCaseSupport", "fault-runner",
      ]),
  ],
  swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
  target.swiftSettings =
    (target.swiftSettings ?? []) + [
      // SE-0335: `any` says where a value is boxed.
      .enableUpcomingFeature("ExistentialAny"),
      // SE-0409: what a target's interface shows of another is written down as `package import`.
      .enableUpcomingFeature("InternalImportsByDefault"),
      // SE-0444: a member is visible only where its module is imported.
      .enableUpcomingFeature("MemberImportVisibility"),
    ]
}
