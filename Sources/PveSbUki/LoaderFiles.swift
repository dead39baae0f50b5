// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
package import BootEnvironment
package import Cryptography
package import HostSystem

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
    /// A sentence each.
    package var notes: [String] = []
  }

  package static let systemdBootPath = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
  package static let shimPath = "/usr/lib/shim/shimx64.efi.signed"
  package static let mokManagerPath = "/usr/lib/shim/mmx64.efi.signed"

  let chain: BootChain
  let host: Host
  /// What images are signed with.
  let certificate: Certificate
  private let writesRemovablePath: Bool
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
      try open(Self.shimPath, package: "shim-signed")
      try open(Self.mokManagerPath, package: "shim-helpers-amd64-signed")
    }
    if chain.hasSystemdBoot {
      try open(Self.systemdBootPath, package: "systemd-boot-efi")
      if let file = programs[Self.systemdBootPath] {
        digests[Self.systemdBootPath] = try describing(Self.systemdBootPath) {
          try ImageDigest.compute(of: file, header: SignedImage(parsing: file).header)
        }
      }
    }
    self.programs = programs
    self.digests = digests
  }

  /// The files in the order in which they are to be written: what is started before what starts it. `first` is the
  /// image that is to boot first.
  private func files(first: ImageName) -> [(path: String, source: Source)] {
    var files: [(String, Source)] = []
    if chain.hasSystemdBoot { files.append((LoaderPath.systemdBoot, .signed(Self.systemdBootPath))) }
    if chain.hasShim {
      files += [(LoaderPath.mokManager, .copied(Self.mokManagerPath)), (LoaderPath.shim, .copied(Self.shimPath))]
    }
    guard writesRemovablePath else { return files }
    let start: Source = chain.hasSystemdBoot ? .signed(Self.systemdBootPath) : .image(first)
    guard chain.hasShim else { return files + [(LoaderPath.removable, start)] }
    return files + [
      (LoaderPath.removableSecondStage, start), (LoaderPath.removableMokManager, .copied(Self.mokManagerPath)),
      (LoaderPath.removable, .copied(Self.shimPath)),
    ]
  }

  /// Plans for one partition. Writes nothing.
  ///
  /// - Parameters:
  ///   - files: the partition, open for reading.
  ///   - images: those that will be on it, in the order in which they are to boot; without one nothing is planned.
  ///   - pending: those of them that will be written before the steps are carried out, and their sizes in bytes.
  ///   - isPreferred: whether the machine would start our images. If not, neither systemd-boot's default nor the
  ///     removable path, which may work now, are touched.
  package func plan(
    on files: FileSystem, images: [ImageName], pending: [ImageName: Int], isPreferred: Bool
  ) throws -> Plan {
    var plan = Plan()
    guard let first = images.first else { return plan }
    for (path, source) in self.files(first: first) where isPreferred || path.hasPrefix(LoaderPath.directory + "/") {
      if case .image(let name) = source, pending[name] != nil {
        // What is there now is not what it will be.
      } else if try isInPlace(source, at: path, on: files) {
        continue
      }
      plan.steps.append(
        Step(
          path: path, source: source, size: try size(of: source, pending, on: files),
          replaces: try files.linkStatus(of: path) != nil))
    }
    if chain.hasShim, writesRemovablePath, isPreferred, try files.exists(LoaderPath.removableFallback) {
      plan.notes.append(
        "\(files.display(LoaderPath.removableFallback)) is what shim starts from the removable path, in place of our "
          + "image; remove it if it is not needed")
    }
    if chain.hasSystemdBoot, isPreferred { try planDefault(first, on: files, &plan) }
    return plan
  }

  private func planDefault(_ image: ImageName, on files: FileSystem, _ plan: inout Plan) throws {
    let path = LoaderConfiguration.path
    let present = try files.readFileIfPresent(path, limit: LoaderConfiguration.sizeLimit)
    let text = LoaderConfiguration.text(present ?? [], withDefault: image.fileName)
    if text != present {
      plan.steps.append(Step(path: path, source: .text(text), size: text.count, replaces: present != nil))
    }
    if let chosen = LoaderConfiguration.overridingDefault(of: host.files), chosen != image.fileName.lowercased() {
      plan.notes.append(
        "\(chosen) was made the default in systemd-boot's menu, which outweighs \(files.display(path)); "
          + "undo it there with the key d, or with: bootctl set-default ''")
    }
  }

  private func size(of source: Source, _ pending: [ImageName: Int], on files: FileSystem) throws -> Int {
    switch source {
    case .signed(let path): (programs[path]?.count ?? 0) + Self.signatureRoom
    case .copied(let path): programs[path]?.count ?? 0
    case .image(let name): try pending[name] ?? files.linkStatus(of: name.path)?.size ?? 0
    case .text(let text): text.count
    }
  }

  /// Bytes that a signature takes at most.
  private static let signatureRoom = 16 << 10

  func program(_ path: String) throws -> File {
    guard let file = programs[path] else { throw Failure("\(path) is no part of the chain \(chain)") }
    return file
  }

  func digest(ofProgram path: String) -> [UInt8]? { digests[path] }
}
