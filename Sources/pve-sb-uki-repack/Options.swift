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
    help: ArgumentHelp("What becomes of signatures of a kernel image: add, replace or keep.", valueName: "policy"))
  var signature = ImagePolicy.add

  @Flag(help: "Sign modules that carry no signature, too.")
  var signModules = false

  @Flag(help: "Sign all modules. The kernel's built-in key no longer vouches for them.")
  var resignModules = false

  @Option(
    help: ArgumentHelp("Attach signatures that were made elsewhere instead of signing.", valueName: "dir"),
    completion: .directory)
  var attachSignatures: String?

  var modules: ModulePolicy { resignModules ? .all : signModules ? .unsigned : .none }

  func validate() throws {
    guard !(signModules && resignModules) else {
      throw ValidationError(saying: "--sign-modules and --resign-modules exclude each other")
    }
  }
}

/// Version, name and compression of the output.
struct PackageOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Appended to the version.", valueName: "suffix"))
  var versionSuffix = "+sb1"

  @Flag(help: "Call proxmox-kernel-K proxmox-kernel-K-signed, as Proxmox does.")
  var asSigned = false

  @Option(help: ArgumentHelp("Appended to the package's name.", valueName: "suffix"))
  var renameSuffix: String?

  @Option(help: ArgumentHelp("Compression of the data: keep, xz, zstd, gzip or none.", valueName: "method"))
  var compression = OutputCompression.keep

  @Flag(help: "Compress all data anew, which takes long and seldom saves a byte.")
  var recompress = false

  var naming: PackageNaming { asSigned ? .asSigned : renameSuffix.map { .suffix($0) } ?? .keep }

  func validate() throws {
    guard !asSigned || renameSuffix == nil else {
      throw ValidationError(saying: "--as-signed and --rename-suffix exclude each other")
    }
  }
}

/// Who must vouch for the packages.
struct TrustOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("InRelease or Release file of the repository that has to name the packages.", valueName: "file"),
    completion: .file())
  var fromRelease: String?

  @Option(help: ArgumentHelp("Keyring with the key of that repository.", valueName: "file"), completion: .file())
  var keyring: String?

  @Option(name: .customLong("sha256"), help: ArgumentHelp("SHA-256 digest of the one package.", valueName: "hex"))
  var digest: String?

  @Flag(help: "Hold every file against the package's md5sums, not only those that change.")
  var checkContents = false

  func validate() throws {
    guard (fromRelease == nil) == (keyring == nil) else {
      throw ValidationError(saying: "--from-release and --keyring go together")
    }
    guard fromRelease == nil || digest == nil else {
      throw ValidationError(saying: "--from-release and --sha256 exclude each other")
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
    name: [.customShort("o"), .long], help: ArgumentHelp("Directory for the results.", valueName: "dir"),
    completion: .directory)
  var output: String?

  @Option(help: ArgumentHelp("Threads; as many as there are processors if not given.", valueName: "number"))
  var jobs: Int?

  @Option(help: ArgumentHelp("Write a report in JSON.", valueName: "file"), completion: .file())
  var report: String?

  @Flag(help: "Report as JSON.")
  var json = false

  @Flag(help: "Print nothing but errors.")
  var quiet = false

  @Flag(help: "Print every file that was signed.")
  var verbose = false

  func validate() throws {
    guard jobs.map({ (1...1024).contains($0) }) ?? true else {
      throw ValidationError(saying: "--jobs takes a number from 1 to 1024")
    }
  }
}

/// Other things to do than repacking.
struct ModeOptions: ParsableArguments {
  @Flag(help: "Show how the second package differs from the first, and fail if other than by signatures.")
  var verify = false

  @Option(
    help: ArgumentHelp(
      "Make detached signatures of what this template package names in the packages.", valueName: "template"),
    completion: .file(extensions: ["deb"]))
  var detachedSignatures: String?

  func validate(packages: [String], hasOutput: Bool) throws {
    guard !verify || detachedSignatures == nil else {
      throw ValidationError(saying: "--verify and --detached-signatures exclude each other")
    }
    if verify {
      guard packages.count == 2 else {
        throw ValidationError(saying: "--verify takes two packages, the original and the repacked one")
      }
    } else {
      guard hasOutput else { throw ValidationError(saying: "-o is missing: the directory for the results") }
    }
  }
}

extension ImagePolicy: ExpressibleByArgument {}
extension OutputCompression: ExpressibleByArgument {}
