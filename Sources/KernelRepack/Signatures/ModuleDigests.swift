// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages
internal import ModuleSignature

/// The digests that kernels require for signatures of their modules, from the kernels' configurations.
///
/// Debian 14 has configuration, image and modules of a kernel in three packages, so the packages of a call share them.
struct ModuleDigests: Sendable {
  private struct Configuration: Hashable {
    /// Nil if it is unset or unknown.
    var digest: DigestAlgorithm?
    var package: String
  }

  /// From the package itself, by kernel release.
  private var own: [String: DigestAlgorithm] = [:]
  /// From all packages of the call, by kernel release.
  private var shared: [String: [Configuration]] = [:]
  /// Paths of the packages with a configuration.
  private(set) var sources: Set<String> = []

  /// Knows no kernel.
  init() {}

  /// Reads the configurations in these packages.
  ///
  /// `require` checks a package's origin. A package that cannot be read or has the wrong origin is skipped, because
  /// repacking it reports the error.
  init(
    from packages: [String], workers: Int, on host: Host, require: @escaping @Sendable (PackageInput) throws -> Void
  ) throws {
    let found = try ParallelWork.map(packages.count, workers: workers) { index in
      (try? Self.configurations(in: packages[index], on: host, require: require)) ?? [:]
    }
    for (package, configurations) in zip(packages, found) where !configurations.isEmpty {
      sources.insert(package)
      for (kernel, digest) in configurations {
        shared[kernel, default: []].append(Configuration(digest: digest, package: package))
      }
    }
  }

  private static func configurations(
    in package: String, on host: Host, require: (PackageInput) throws -> Void
  ) throws -> [String: DigestAlgorithm?] {
    let input = try PackageInput(package, from: host.userFiles)
    try require(input)
    return try configurations(in: input)
  }

  /// By kernel release; reads no further than the last configuration that md5sums lists, if it lists any files.
  private static func configurations(in input: PackageInput) throws -> [String: DigestAlgorithm?] {
    let paths = input.control.sums.paths
    let listed = paths.filter { KernelFiles.kind(of: $0) == .configuration }.count
    guard paths.isEmpty || listed > 0 else { return [:] }
    var found: [String: DigestAlgorithm?] = [:]
    try input.forEachFile(where: { KernelFiles.kind(of: $0) == .configuration }) { file in
      if let kernel = KernelFiles.kernel(ofConfiguration: file.path) {
        found[kernel] = .some(KernelConfiguration(parsing: file.content).digest)
      }
      return found.count != listed
    }
    return found
  }

  /// Adds a configuration from the package itself, which takes precedence over those of other packages.
  mutating func add(_ configuration: DataScan.File) {
    guard let kernel = KernelFiles.kernel(ofConfiguration: configuration.path) else { return }
    own[kernel] = KernelConfiguration(parsing: configuration.content).digest
  }

  /// The digest that the kernel of the module at `path` requires.
  ///
  /// Throws `Failure` if it is unknown, or if packages disagree.
  func digest(for path: ArchivePath) throws -> DigestAlgorithm {
    let kernel = KernelFiles.kernel(ofModule: path)
    if let kernel, let digest = own[kernel] { return digest }
    let others = kernel.flatMap { shared[$0] } ?? []
    guard Set(others.map(\.digest)).count <= 1 else {
      throw Failure(
        """
        \(path): CONFIG_MODULE_SIG_HASH, the digest for module signatures, differs between \
        \(others.map(\.package).joined(separator: ", "))
        """, hint: "repack the packages of each kernel build separately")
    }
    guard let digest = others.first?.digest else {
      throw Failure(
        "\(path): CONFIG_MODULE_SIG_HASH, the digest for module signatures, is unknown",
        hint: """
          also specify the package with the kernel's configuration, such as linux-base-\(kernel ?? "*"), or sign only the \
          kernel
          """)
    }
    return digest
  }
}
