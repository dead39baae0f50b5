// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import CommandLineInterface
import KernelRepack
import Messages

/// What is signed, and what becomes of signatures that are there.
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

/// What the package is called and how it is compressed.
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

extension ImagePolicy: ExpressibleByArgument {}
extension OutputCompression: ExpressibleByArgument {}
