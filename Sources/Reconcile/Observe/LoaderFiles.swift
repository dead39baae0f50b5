// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
package import BootEnvironment
package import Cryptography
package import HostSystem
internal import Messages
internal import PortableExecutable

/// How to produce a boot loader file on an ESP.
package enum LoaderSource: Hashable, Sendable {
  /// A program of the host, with existing signatures replaced by pve-sb-uki's; its host path.
  case signed(String)
  /// An unchanged copy of a program of the host, with its own signatures; its host path.
  case copied(String)
  /// An unchanged copy of a UKI on the same ESP.
  case image(UKIName)
  /// The existing systemd-boot settings with this default.
  case settings(defaultEntry: String)
}

/// The programs of the host that a boot chain needs.
package struct LoaderPrograms: Hashable, Sendable {
  let chain: BootChain
  let writesRemovablePath: Bool
  let sources: BootPrograms
  let paths: LoaderPath
  /// Sizes in bytes, by host path.
  fileprivate(set) var sizes: [String: Int] = [:]

  /// The files of an ESP in write order: a program is written before the one that starts it.
  ///
  /// `first` is the UKI that boots first.
  func files(first: UKIName) -> [(path: String, source: LoaderSource)] {
    slots.map { path, source in (path, source ?? .image(first)) }
  }

  /// The same files with every possible source: each of `images` may be the one that boots first.
  func candidates(_ images: [UKIName]) -> [(path: String, sources: [LoaderSource])] {
    slots.map { path, source in (path, source.map { [$0] } ?? images.map { .image($0) }) }
  }

  /// A nil source stands for the UKI that boots first.
  private var slots: [(path: String, source: LoaderSource?)] {
    var slots: [(String, LoaderSource?)] = []
    if chain.hasSystemdBoot { slots.append((paths.systemdBoot, .signed(sources.systemdBoot))) }
    if chain.hasShim {
      slots += [(paths.mokManager, .copied(sources.mokManager)), (paths.shim, .copied(sources.shim))]
    }
    guard writesRemovablePath else { return slots }
    let start: LoaderSource? = chain.hasSystemdBoot ? .signed(sources.systemdBoot) : nil
    guard chain.hasShim else { return slots + [(paths.removable, start)] }
    return slots + [
      (paths.removableSecondStage, start), (paths.removableMokManager, .copied(sources.mokManager)),
      (paths.removable, .copied(sources.shim)),
    ]
  }
}

/// The state of the boot loader paths of an ESP.
package struct LoaderState: Hashable, Sendable {
  /// The paths that exist, each with the sources that it matches exactly.
  var present: [String: Set<LoaderSource>] = [:]
  /// `loader.conf`; nil if it does not exist or must not be changed.
  var configuration: Result<[UInt8]?, Failure> = .success(nil)
  /// The fallback program that shim would start from the removable path instead of the UKI, as shown in messages; nil
  /// if it does not exist.
  var fallback: String?
  /// All names in `EFI/Linux`, including foreign ones.
  var unifiedNames: [String] = []
  /// Programs in pve-sb-uki's directory that the chain does not use.
  var unused: [String] = []
}

/// The contents of an ESP other than UKIs.
struct BootFiles: Sendable {
  let loaders: LoaderState
  let typeOne: TypeOneEntries
}

/// The boot loaders of a chain: the opened programs of the host, and their comparison with files on an ESP.
///
/// Files are compared by content. A signed loader must have the original's Authenticode digest and pve-sb-uki's
/// signature; a copy must have the same bytes. So no record is needed, and a new loader, key or certificate is noticed.
package struct LoaderFiles: Sendable {
  /// The certificate that UKIs are signed with.
  let certificate: Certificate
  package private(set) var programs: LoaderPrograms
  /// By host path.
  private var files: [String: File] = [:]
  /// Authenticode digests of the programs that pve-sb-uki signs, by host path.
  private var digests: [String: [UInt8]] = [:]

  /// Opens the programs that the chain needs.
  ///
  /// Throws `Failure` with the name of the missing package.
  package init(_ chain: BootChain, writesRemovablePath: Bool, certificate: Certificate, on host: Host) throws {
    self.certificate = certificate
    let machine = try host.machine
    let sources = BootPrograms(machine)
    programs = LoaderPrograms(
      chain: chain, writesRemovablePath: writesRemovablePath, sources: sources, paths: LoaderPath(machine))
    if chain.hasShim {
      try open(sources.shim, package: "shim-signed", on: host)
      try open(sources.mokManager, package: sources.mokManagerPackage, on: host)
    }
    if chain.hasSystemdBoot {
      try open(sources.systemdBoot, package: "systemd-boot-efi", on: host)
      let file = try program(sources.systemdBoot)
      digests[sources.systemdBoot] = try describing(sources.systemdBoot) {
        try ImageDigest.compute(of: file, header: SignedImage(parsing: file).header, as: .signing)
      }
    }
  }

  private mutating func open(_ path: String, package: String, on host: Host) throws {
    guard try host.files.exists(path) else {
      throw Failure(
        "the boot chain \(programs.chain) needs \(host.files.display(path)), which does not exist",
        hint: "run 'apt install \(package)'")
    }
    let file = try host.files.openFile(path)
    files[path] = file
    programs.sizes[path] = file.count
  }

  func program(_ path: String) throws -> File {
    guard let file = files[path] else { throw Failure("\(path) is not part of the boot chain \(programs.chain)") }
    return file
  }

  func digest(ofProgram path: String) -> [UInt8]? { digests[path] }

  /// Reads the boot loaders of an ESP.
  ///
  /// - Parameters:
  ///   - files: the ESP, open for reading.
  ///   - images: pve-sb-uki's UKIs on it.
  ///   - isPreferred: whether the machine accepts pve-sb-uki's UKIs, so that systemd-boot's default is set.
  /// - Returns: the state of the paths that the chain uses.
  /// - Throws: `HostError` if it cannot be read.
  package func observe(_ files: FileSystem, images: [UKIName], isPreferred: Bool) throws -> LoaderState {
    var state = LoaderState()
    for (path, sources) in programs.candidates(images) {
      guard try files.linkStatus(of: path) != nil else { continue }
      state.present[path] = Set(try sources.filter { try isInPlace($0, at: path, on: files) })
    }
    let (chain, paths) = (programs.chain, programs.paths)
    let used = Set(programs.candidates([]).map(\.path))
    state.unused = try [paths.systemdBoot, paths.shim, paths.mokManager].filter { path in
      try !used.contains(path) && files.linkStatus(of: path) != nil
    }
    if chain.hasShim, programs.writesRemovablePath, isPreferred, try files.exists(paths.removableFallback) {
      state.fallback = files.display(paths.removableFallback)
    }
    if chain.hasSystemdBoot, isPreferred {
      state.unifiedNames = try files.list(UKIName.directory) ?? []
      do {
        state.configuration = .success(
          try files.readFileIfPresent(LoaderConfiguration.path, limit: LoaderConfiguration.sizeLimit))
      } catch {
        state.configuration = .failure(Failure(of: "\(files.display(LoaderConfiguration.path))", error))
      }
    }
    return state
  }

  /// Whether the file at `path` matches `source`.
  ///
  /// False if it cannot be read.
  func isInPlace(_ source: LoaderSource, at path: String, on files: FileSystem) throws -> Bool {
    guard try files.linkStatus(of: path)?.kind == .regular, let file = try? files.openFile(path) else { return false }
    switch source {
    case .signed(let program): return isSigned(file, digest: digest(ofProgram: program))
    case .copied(let program): return (try? ByteComparison.areEqual(file, self.program(program))) ?? false
    case .image(let name):
      guard let image = try? files.openFile(name.path) else { return false }
      return (try? Self.areCopies(file, image)) ?? false
    case .settings(let entry):
      guard let text = try? file.readToEnd(limit: LoaderConfiguration.sizeLimit) else { return false }
      return LoaderConfiguration.text(text, withDefault: entry) == text
    }
  }

  /// Whether the file has pve-sb-uki's valid signature, and `digest` as its Authenticode digest if that is not nil.
  func isSigned(_ file: File, digest: [UInt8]?) -> Bool {
    guard let image = try? SignedImage(parsing: file), let signatures = try? image.signatures(in: file) else {
      return false
    }
    return signatures.contains {
      $0.isValid(by: certificate) && (digest == nil || $0.signature?.content.digest == digest)
    }
  }

  /// Whether two UKIs have the same size, headers and signatures.
  ///
  /// This avoids reading several hundred megabytes in each run. The signature covers the rest: the firmware rejects the
  /// UKI if that was changed.
  private static func areCopies(_ left: File, _ right: File) throws -> Bool {
    guard left.count == right.count else { return false }
    let (one, other) = (try SignedImage(parsing: left), try SignedImage(parsing: right))
    return one.header.bytes == other.header.bytes && one.table == other.table && !one.table.entries.isEmpty
  }
}
