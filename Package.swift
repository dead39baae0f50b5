// swift-tools-version:6.0
// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import PackageDescription

// A Debian source package brings its dependencies along, because builders have no network. The exact version makes sure
// that the tested version is the one that is built.
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
    .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
    // Loads libarchive when it is needed.
    .target(name: "CArchive"),
    .target(name: "CLinux", cSettings: [.define("_FORTIFY_SOURCE", to: "2", .when(configuration: .release))]),

    // Text: translatable messages, failures, JSON.
    .target(name: "Messages"),
    .target(name: "Findings", dependencies: ["Messages"]),

    // Bytes: work on memory and passed descriptors, never on host paths.
    .target(name: "BinaryFormat", dependencies: ["Messages"]),
    .target(name: "PortableExecutable", dependencies: ["BinaryFormat", "Messages"]),
    .target(name: "EFIData", dependencies: ["BinaryFormat", "Messages"]),
    .target(name: "FATFileSystem", dependencies: ["BinaryFormat", "Messages"]),
    .target(name: "DebianPackage"),
    .target(name: "DebianArchive", dependencies: ["BinaryFormat", "Messages"]),
    .target(name: "Compression", dependencies: ["BinaryFormat", "CArchive", "Messages"]),
    .target(name: "InitialRAMDisk", dependencies: ["BinaryFormat", "Compression", "Messages"]),

    // Cryptography: the only layer that touches libcrypto.
    .target(name: "Cryptography", dependencies: ["BinaryFormat", "COpenSSL", "Messages"]),
    .target(name: "Authenticode", dependencies: ["BinaryFormat", "Cryptography", "Messages", "PortableExecutable"]),

    // An .xz stream, block by block. The transcoder is compiled with -O in tests too, because they run it on real
    // packages.
    .target(
      name: "LZMA2", dependencies: ["BinaryFormat", "Messages"],
      swiftSettings: [
        .unsafeFlags(["-O", "-wmo", "-disable-batch-mode", "-num-threads", "2"], .when(configuration: .debug))
      ]),
    .target(name: "XZ", dependencies: ["BinaryFormat", "CLZMA", "Cryptography", "LZMA2", "Messages"]),
    .target(
      name: "ModuleSignature", dependencies: ["BinaryFormat", "Compression", "Cryptography", "Messages", "XZ"]),

    // Host: the only layer that touches the system.
    .target(name: "HostSystem", dependencies: ["BinaryFormat", "CLinux", "EFIData", "FATFileSystem", "Messages"]),

    // Domain.
    .target(
      name: "UnifiedKernelImage",
      dependencies: ["Authenticode", "BinaryFormat", "Cryptography", "EFIData", "Messages", "PortableExecutable"]),
    .target(name: "SigningKeys", dependencies: ["BinaryFormat", "Cryptography", "EFIData", "HostSystem", "Messages"]),
    .target(
      name: "SecureBoot",
      dependencies: [
        "Authenticode", "BinaryFormat", "Cryptography", "EFIData", "HostSystem", "Messages", "PortableExecutable",
      ]),
    .target(
      name: "BootEnvironment",
      dependencies: [
        "BinaryFormat", "DebianPackage", "EFIData", "FATFileSystem", "HostSystem", "Messages", "PortableExecutable",
        "SigningKeys",
      ]),

    // Separate from BootEnvironment, which SecureBoot does not need.
    .target(
      name: "BootPaths",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "EFIData", "Findings", "HostSystem", "Messages", "PortableExecutable",
        "SecureBoot",
      ]),

    // What an enrolment writes into the firmware, and what it would do to this machine.
    .target(
      name: "KeyEnrolment",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "BootPaths", "Cryptography", "EFIData", "Findings", "HostSystem", "Messages",
        "SecureBoot", "SigningKeys",
      ]),

    // Separate from BootEnvironment, so that the hooks do not need libarchive.
    .target(
      name: "KernelModules",
      dependencies: [
        "BinaryFormat", "Compression", "Cryptography", "HostSystem", "Messages", "ModuleSignature", "SecureBoot",
      ]),

    .target(
      name: "StartupCheck",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "Compression", "Findings", "HostSystem", "InitialRAMDisk", "Messages",
        "PortableExecutable", "UnifiedKernelImage",
      ]),

    // The only code that changes ESPs and boot entries.
    .target(
      name: "Reconcile",
      dependencies: [
        "Authenticode", "BinaryFormat", "BootEnvironment", "Cryptography", "EFIData", "FATFileSystem", "Findings",
        "HostSystem", "Messages", "PortableExecutable", "SecureBoot", "SigningKeys", "UnifiedKernelImage",
      ]),

    // Use cases.
    .target(
      name: "HostCommands",
      dependencies: [
        "Authenticode", "BinaryFormat", "BootEnvironment", "BootPaths", "Cryptography", "DebianArchive", "EFIData",
        "Findings", "HostSystem", "KernelModules", "KeyEnrolment", "Messages", "ModuleSignature", "PortableExecutable",
        "Reconcile", "SecureBoot", "SigningKeys", "StartupCheck", "UnifiedKernelImage",
      ]),
    .target(
      name: "RepositoryTrust", dependencies: ["BinaryFormat", "Compression", "Cryptography", "HostSystem", "Messages"]),
    .target(
      name: "KernelRepack",
      dependencies: [
        "Authenticode", "BinaryFormat", "Compression", "Cryptography", "DebianArchive", "DebianPackage", "HostSystem",
        "Messages", "ModuleSignature", "PortableExecutable", "RepositoryTrust", "SigningKeys", "XZ",
      ]),

    // Executables: parse arguments, run one use case, print the result.
    .target(name: "CommandSupport", dependencies: ["HostSystem", "Messages"]),
    .target(
      name: "CommandLineInterface",
      dependencies: [
        "BinaryFormat", "CommandSupport", "HostSystem", "Messages", "SigningKeys",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "pve-sb-uki",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "BootPaths", "CommandLineInterface", "CommandSupport", "Cryptography",
        "EFIData", "Findings", "HostCommands", "HostSystem", "KernelModules", "KeyEnrolment", "Messages", "Reconcile",
        "SecureBoot", "SigningKeys", "StartupCheck", "UnifiedKernelImage",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "pve-sb-uki-repack",
      dependencies: [
        "BinaryFormat", "CommandLineInterface", "CommandSupport", "Cryptography", "HostSystem", "KernelRepack",
        "Messages", "RepositoryTrust", "SigningKeys",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "pve-sb-uki-hook", dependencies: ["CommandSupport", "HostSystem", "Messages", "Reconcile"], path: "hooks"
    ),

    // Tests mirror Sources; code shared by several of them is a separate target.
    .target(
      name: "TestSupport",
      dependencies: ["BinaryFormat", "Cryptography", "EFIData", "FATFileSystem", "HostSystem", "Messages"],
      path: "Tests/TestSupport"),
    // Test hosts and machines to reconcile.
    .target(
      name: "HostScenes",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "Cryptography", "EFIData", "HostSystem", "PortableExecutable", "Reconcile",
        "TestSupport",
      ], path: "Tests/HostScenes"),
    // Runs apply or keys create in a separate process, which can be killed at any change.
    .executableTarget(
      name: "fault-runner", dependencies: ["HostCommands", "HostSystem", "Reconcile", "TestSupport"],
      path: "Tests/FaultRunner"),
    // Runs parsers on damaged inputs.
    .executableTarget(
      name: "fuzz-runner",
      dependencies: [
        "Authenticode", "BinaryFormat", "BootEnvironment", "BootPaths", "Cryptography", "DebianArchive", "EFIData",
        "Findings", "HostCommands", "HostSystem", "InitialRAMDisk", "KernelRepack", "KeyEnrolment", "Messages",
        "ModuleSignature", "PortableExecutable", "RepositoryTrust", "SecureBoot", "StartupCheck", "TestSupport",
        "UnifiedKernelImage",
        "XZ",
      ], path: "Tests/FuzzRunner"),
    // Lists initrds, and checks made-up machines.
    .executableTarget(
      name: "startup-runner",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "Findings", "HostSystem", "InitialRAMDisk", "StartupCheck", "TestSupport",
        "UnifiedKernelImage",
      ], path: "Tests/StartupRunner"),
    .testTarget(
      name: "InitialRAMDiskTests",
      dependencies: ["BinaryFormat", "Compression", "InitialRAMDisk", "Messages", "TestSupport"]),
    .testTarget(
      name: "StartupCheckTests",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "Findings", "HostSystem", "InitialRAMDisk", "Messages",
        "PortableExecutable", "StartupCheck", "TestSupport", "UnifiedKernelImage",
      ]),
    .testTarget(name: "ArchitectureTests", dependencies: ["HostSystem", "TestSupport"]),
    .testTarget(name: "MessagesTests", dependencies: ["Messages", "TestSupport"]),
    .testTarget(name: "FindingsTests", dependencies: ["Findings", "Messages"]),
    .testTarget(
      name: "SigningKeysTests",
      dependencies: ["BinaryFormat", "Cryptography", "EFIData", "HostSystem", "Messages", "SigningKeys", "TestSupport"]),
    .testTarget(name: "BinaryFormatTests", dependencies: ["BinaryFormat", "Messages", "TestSupport"]),
    .testTarget(
      name: "EFIDataTests", dependencies: ["BinaryFormat", "EFIData", "HostSystem", "Messages", "TestSupport"]),
    .testTarget(
      name: "FATFileSystemTests",
      dependencies: ["BinaryFormat", "FATFileSystem", "HostSystem", "Messages", "TestSupport"]),
    .testTarget(name: "CommandSupportTests", dependencies: ["CommandSupport", "Messages", "TestSupport"]),
    .testTarget(
      name: "SecureBootTests",
      dependencies: ["BinaryFormat", "Cryptography", "EFIData", "HostSystem", "Messages", "SecureBoot", "TestSupport"]),
    .testTarget(name: "CryptographyTests", dependencies: ["BinaryFormat", "Cryptography", "Messages", "TestSupport"]),
    .testTarget(
      name: "PortableExecutableTests", dependencies: ["BinaryFormat", "Messages", "PortableExecutable", "TestSupport"]),
    .testTarget(
      name: "AuthenticodeTests",
      dependencies: ["Authenticode", "BinaryFormat", "Cryptography", "Messages", "PortableExecutable", "TestSupport"]),
    .testTarget(
      name: "UnifiedKernelImageTests",
      dependencies: [
        "Authenticode", "BinaryFormat", "Cryptography", "Messages", "PortableExecutable", "TestSupport",
        "UnifiedKernelImage",
      ]),
    .testTarget(name: "LZMA2Tests", dependencies: ["BinaryFormat", "LZMA2", "Messages", "TestSupport"]),
    .testTarget(name: "XZTests", dependencies: ["BinaryFormat", "Messages", "TestSupport", "XZ"]),
    .testTarget(name: "CompressionTests", dependencies: ["BinaryFormat", "Compression", "Messages", "TestSupport"]),
    .testTarget(
      name: "KernelModulesTests",
      dependencies: [
        "BinaryFormat", "Cryptography", "EFIData", "HostSystem", "KernelModules", "Messages", "TestSupport",
      ]),
    .testTarget(
      name: "RepositoryTrustTests",
      dependencies: ["BinaryFormat", "Cryptography", "HostSystem", "Messages", "RepositoryTrust", "TestSupport"]),
    .testTarget(
      name: "KernelRepackTests",
      dependencies: [
        "BinaryFormat", "Cryptography", "DebianArchive", "HostSystem", "KernelRepack", "Messages", "ModuleSignature",
        "SigningKeys", "TestSupport",
      ]),
    .testTarget(
      name: "ModuleSignatureTests",
      dependencies: ["BinaryFormat", "Cryptography", "Messages", "ModuleSignature", "TestSupport"]),
    .testTarget(
      name: "DebianArchiveTests", dependencies: ["BinaryFormat", "DebianArchive", "Messages", "TestSupport"]),
    .testTarget(name: "DebianPackageTests", dependencies: ["DebianPackage", "TestSupport"]),
    .testTarget(
      name: "BootEnvironmentTests",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "EFIData", "FATFileSystem", "HostSystem", "Messages", "TestSupport",
      ]),
    .testTarget(
      name: "BootPathsTests",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "BootPaths", "Cryptography", "EFIData", "FATFileSystem", "Findings",
        "HostCommands", "HostScenes", "HostSystem", "Messages", "TestSupport",
      ]),
    .testTarget(
      name: "HookTests",
      dependencies: ["Cryptography", "HostSystem", "Reconcile", "TestSupport", "pve-sb-uki-hook"]),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "BootEnvironment", "BootPaths", "EFIData", "Findings", "HostCommands", "HostScenes", "HostSystem",
        "KernelRepack", "KeyEnrolment", "Messages", "Reconcile", "TestSupport", "UnifiedKernelImage", "pve-sb-uki",
        "pve-sb-uki-repack",
      ]),
    .testTarget(
      name: "HostSystemTests", dependencies: ["BinaryFormat", "EFIData", "HostSystem", "Messages", "TestSupport"]),
    .testTarget(
      name: "ReconcileTests",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "Cryptography", "EFIData", "HostCommands", "HostScenes", "HostSystem",
        "Messages",
        "PortableExecutable", "Reconcile", "SecureBoot", "TestSupport",
      ]),
    .testTarget(
      name: "HostCommandsTests",
      dependencies: [
        "BinaryFormat", "BootEnvironment", "BootPaths", "Cryptography", "EFIData", "Findings", "HostCommands",
        "HostScenes", "HostSystem", "KernelModules", "KeyEnrolment", "Messages", "PortableExecutable", "Reconcile",
        "SecureBoot", "SigningKeys", "StartupCheck", "TestSupport", "UnifiedKernelImage",
      ]),
    .testTarget(
      name: "KeyEnrolmentTests",
      dependencies: [
        "BinaryFormat", "Cryptography", "EFIData", "HostSystem", "KeyEnrolment", "Messages", "SigningKeys",
        "TestSupport",
      ]),
  ],
  swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
  target.swiftSettings =
    (target.swiftSettings ?? []) + [
      // SE-0335: `any` marks boxed values.
      .enableUpcomingFeature("ExistentialAny"),
      // SE-0409: a target whose interface exposes another target says so with `package import`.
      .enableUpcomingFeature("InternalImportsByDefault"),
      // SE-0444: a member is visible only where its module is imported.
      .enableUpcomingFeature("MemberImportVisibility"),
    ]
}

// Regular expressions add a megabyte to a program, and `contains` with a text already links them: see
// `contains(bytes:)`.
for target in package.targets
where [.regular, .executable].contains(target.type) && !(target.path ?? "").hasPrefix("Tests/") {
  target.swiftSettings =
    (target.swiftSettings ?? []) + [.unsafeFlags(["-Xfrontend", "-disable-implicit-string-processing-module-import"])]
}

// The hooks run in every apt transaction, so their targets are compiled for size.
let hookTargets: Set = [
  "Messages", "BinaryFormat", "PortableExecutable", "EFIData", "FATFileSystem", "DebianPackage", "Cryptography",
  "Authenticode", "HostSystem", "UnifiedKernelImage", "SigningKeys", "SecureBoot", "BootEnvironment", "Reconcile",
  "CommandSupport", "pve-sb-uki-hook",
]
for target in package.targets where hookTargets.contains(target.name) {
  target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-Osize"], .when(configuration: .release))]
}
