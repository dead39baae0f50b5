// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import HostSystem
import KernelRepack
import Messages
import RepositoryTrust

/// Which files are signed, and what happens to existing signatures.
struct SigningOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Add to, replace or keep existing signatures of a kernel image", valueName: "policy"))
  var signature = ImagePolicy.add

  @Flag(help: "Also sign modules without a signature")
  var signModules = false

  @Flag(help: "Sign all modules; this drops the signatures by the kernel's own key")
  var resignModules = false

  @Option(
    help: ArgumentHelp("Attach signatures that were made elsewhere instead of signing", valueName: "dir"),
    completion: .directory)
  var attachSignatures: String?

  var modules: ModulePolicy { resignModules ? .all : signModules ? .unsigned : .none }

  func validate() throws {
    guard !(signModules && resignModules) else {
      throw ValidationError(saying: "--sign-modules and --resign-modules cannot be used together")
    }
  }
}

/// Version, name and compression of the output.
struct PackageOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("Suffix to append to the version", valueName: "suffix"))
  var versionSuffix = PackageName.defaultSuffix

  @Flag(help: "Rename proxmox-kernel-K to proxmox-kernel-K-signed, as Proxmox does")
  var asSigned = false

  // Proxmox's own suffix starts with a hyphen.
  @Option(parsing: .unconditional, help: ArgumentHelp("Suffix to append to the package name", valueName: "suffix"))
  var renameSuffix: String?

  @Option(help: ArgumentHelp("Compression of the data", valueName: "method"))
  var compression = OutputCompression.keep

  @Flag(help: "Compress all data again; slow, and rarely saves space")
  var recompress = false

  var naming: PackageNaming { asSigned ? .asSigned : renameSuffix.map { .suffix($0) } ?? .keep }

  func validate() throws {
    guard !asSigned || renameSuffix == nil else {
      throw ValidationError(saying: "--as-signed and --rename-suffix cannot be used together")
    }
  }
}

/// How the origin of the packages is checked.
struct TrustOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("InRelease or Release file of the repository that must list the packages", valueName: "file"),
    completion: .file())
  var fromRelease: String?

  @Option(help: ArgumentHelp("Keyring with the repository's key", valueName: "file"), completion: .file())
  var keyring: String?

  @Option(name: .customLong("sha256"), help: ArgumentHelp("SHA-256 digest of the package", valueName: "hex"))
  var digest: String?

  @Flag(help: "Compare every file with the package's md5sums, not only changed ones")
  var checkContents = false

  func validate() throws {
    guard (fromRelease == nil) == (keyring == nil) else {
      throw ValidationError(saying: "--from-release and --keyring must be used together")
    }
    guard fromRelease == nil || digest == nil else {
      throw ValidationError(saying: "--from-release and --sha256 cannot be used together")
    }
  }

  func trust(on host: Host) throws -> InputTrust {
    if let digest { return try .sha256(digest) }
    guard let fromRelease, let keyring else { return .nothing }
    return .release(try SignedRelease(fromRelease, keyring: keyring, on: host))
  }
}

/// Where the results go, and how they are reported.
struct OutputOptions: ParsableArguments {
  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("Directory for the results", valueName: "dir"),
    completion: .directory)
  var output: String?

  @Option(help: ArgumentHelp("Number of threads; default: number of processors", valueName: "number"))
  var jobs: Int?

  @Option(help: ArgumentHelp("Write a report in JSON", valueName: "file"), completion: .file())
  var report: String?

  @Flag(help: "Print the result as JSON")
  var json = false

  @Flag(help: "Print only errors")
  var quiet = false

  @Flag(help: "Print every signed file")
  var verbose = false

  func validate() throws {
    guard jobs.map({ (1...1024).contains($0) }) ?? true else {
      throw ValidationError(saying: "--jobs expects a number from 1 to 1024")
    }
  }
}

/// Modes other than repacking.
struct ModeOptions: ParsableArguments {
  @Flag(help: "Compare the second package with the first, and fail if more than signatures changed")
  var verify = false

  @Option(
    help: ArgumentHelp(
      "Create detached signatures of the files that this template package lists", valueName: "template"),
    completion: .file(extensions: ["deb"]))
  var detachedSignatures: String?

  func validate(packages: [String], hasOutput: Bool) throws {
    guard !verify || detachedSignatures == nil else {
      throw ValidationError(saying: "--verify and --detached-signatures cannot be used together")
    }
    if verify {
      guard packages.count == 2 else {
        throw ValidationError(saying: "--verify expects two packages, the original and the repacked one")
      }
    } else {
      guard hasOutput else { throw ValidationError(saying: "-o is missing; it sets the output directory") }
    }
  }
}

extension ImagePolicy: ExpressibleByArgument {}
extension OutputCompression: ExpressibleByArgument {}
