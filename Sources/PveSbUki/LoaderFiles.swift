// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
package import BootEnvironment
package import Cryptography
package import HostSystem
package import Messages

/// The boot loaders that a chain needs on an EFI System Partition, beside the images.
///
/// What is right is told by content: a loader that we sign by its Authenticode digest, which is that of the file it was
/// made of, and our signature; a copy by its bytes. So no record is needed, and a changed loader, key or certificate
/// is seen as such.
package struct LoaderFiles: Sendable {
  /// What a file is made of.
  package enum Source: Hashable, Sendable {
    /// A program of the host, with our signature in place of others.
    case signed(String)
    /// A program of the host as it is, with the signatures it came with.
    case copied(String)
    /// An image on the same partition as it is.
    case image(ImageName)
    case text([UInt8])
  }

  package struct Step: Hashable, Sendable {
    /// From the root of the partition.
    package var path: String
    package var source: Source
    /// Bytes that it takes while what was there before is still there.
    package var size: Int
    /// Whether something is there that gives way.
    package var replaces: Bool
  }

  /// What is to be done on one partition, in this order, after its images are in place.
  package struct Plan: Hashable, Sendable {
    package var steps: [Step] = []
    /// What systemd-boot's settings on the partition name as default then; nil where they are none of ours.
    package var defaultEntry: String?
    /// A sentence each.
    package var notes: [Message] = []
  }

  let chain: BootChain
  let host: Host
  /// What images are signed with.
  let certificate: Certificate
  let writesRemovablePath: Bool
  let sources: BootPrograms
  let paths: LoaderPath
  /// By host path.
  private let programs: [String: File]
  /// Digests of the programs that are to be signed, by host path.
  private let digests: [String: [UInt8]]

  /// Opens what the chain needs. Throws `Failure` that says which package is missing.
  package init(_ chain: BootChain, _ configuration: Configuration, certificate: Certificate, on host: Host) throws {
    self.chain = chain
    self.host = host
    self.certificate = certificate
    writesRemovablePath = configuration.writesRemovablePath
    let machine = try host.machine
    let sources = BootPrograms(machine)
    self.sources = sources
    paths = LoaderPath(machine)
    var programs: [String: File] = [:]
    var digests: [String: [UInt8]] = [:]
    func open(_ path: String, package: String) throws {
      guard try host.files.exists(path) else {
        throw Failure(
          "the chain \(chain) needs \(host.files.display(path)), which is not there",
          hint: "run 'apt install \(package)'")
      }
      programs[path] = try host.files.openFile(path)
    }
    if chain.hasShim {
      try open(sources.shim, package: "shim-signed")
      try open(sources.mokManager, package: sources.mokManagerPackage)
    }
    if chain.hasSystemdBoot {
      try open(sources.systemdBoot, package: "systemd-boot-efi")
      if let file = programs[sources.systemdBoot] {
        digests[sources.systemdBoot] = try describing(sources.systemdBoot) {
          try ImageDigest.compute(of: file, header: SignedImage(parsing: file).header)
        }
      }
    }
    self.programs = programs
    self.digests = digests
  }

  func program(_ path: String) throws -> File {
    guard let file = programs[path] else { throw Failure("\(path) is no part of the chain \(chain)") }
    return file
  }

  func digest(ofProgram path: String) -> [UInt8]? { digests[path] }
}
