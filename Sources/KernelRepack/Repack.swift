// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
package import HostSystem
package import Messages
package import RepositoryTrust
package import SigningKeys

/// `pve-sb-uki-repack`: signs the kernels in Debian packages.
package struct Repack: Sendable {
  /// Where signatures come from.
  package enum Signing: Sendable {
    case key(KeySource)
    /// A directory of detached signatures.
    case attached(String)
  }

  /// Paths of the packages.
  package var inputs: [String]
  /// Created if it does not exist.
  package var outputDirectory: String
  package var signing = Signing.key(.hostDefault)
  package var images = ImagePolicy.add
  package var modules = ModulePolicy.none
  package var versionSuffix = PackageName.defaultSuffix
  package var naming = PackageNaming.keep
  package var compression = OutputCompression.keep
  /// Whether all data is compressed again, including blocks that could be copied.
  package var recompresses = false
  /// Whether every file is compared with md5sums, not only those that change.
  package var checksContents = false
  package var trust = InputTrust.nothing
  /// Threads, shared by all packages.
  package var jobs = ParallelWork.processorCount
  /// The version of this program, for provenance files.
  package var toolVersion: String

  package init(inputs: [String], outputDirectory: String, toolVersion: String) {
    self.inputs = inputs
    self.outputDirectory = outputDirectory
    self.toolVersion = toolVersion
  }

  /// The result for one input.
  package struct Outcome: Sendable {
    package enum Result: Sendable {
      case repacked(PackageReport)
      /// The package has nothing to sign; the other packages of the call needed its kernel configuration.
      case configuration
      case failed(Failure)
    }

    package let input: String
    package let result: Result
  }

  /// Repacks all inputs, several at a time; one that fails does not stop the others.
  ///
  /// Calls `progress` as soon as each is done, one call at a time but on any thread. Throws `Failure` if the key
  /// cannot be loaded, `HostError` if the output directory cannot be created.
  package func run(on host: Host, progress: @escaping @Sendable (Outcome) -> Void = { _ in }) throws -> [Outcome] {
    let sources = try signatureSources(on: host)
    try host.userFiles.makeDirectory(outputDirectory)
    let digests = try moduleDigests(on: host)
    let together = max(1, min(jobs, inputs.count))
    let inputs = inputs
    let workers = max(1, jobs / together)
    let claimed = Guarded([String: String]())
    let memory = RepackMemory(jobs: jobs)
    let progress = Guarded(progress)
    return try ParallelWork.map(inputs.count, workers: together) { index in
      let input = inputs[index]
      let outcome: Outcome
      do throws(Failure) {
        let result = try describingPackage(input) {
          try repack(
            input, signatures: sources, digests: digests, workers: workers, claimed: claimed, memory: memory, on: host)
        }
        outcome = Outcome(input: input, result: result)
      } catch {
        outcome = Outcome(input: input, result: .failed(error))
      }
      progress.withLock { $0(outcome) }
      return outcome
    }
  }

  /// Returns the signatures for a package, and which of its modules get one; nil if there are none.
  private typealias SignatureSources =
    @Sendable (PackageInput) throws -> (source: any SignatureSource, modules: ModulePolicy)?

  private func signatureSources(on host: Host) throws -> SignatureSources {
    let modules = modules
    switch signing {
    case .key(let key):
      let signatures = try KeySignatures(key, on: host)
      return { _ in (signatures, modules) }
    case .attached(let directory):
      return { input in
        try AttachedSignatures(directory, package: input.identity.package, from: host.userFiles).map {
          ($0, $0.modules)
        }
      }
    }
  }

  /// Empty if no modules are signed.
  private func moduleDigests(on host: Host) throws -> ModuleDigests {
    if case .key = signing, case .none = modules { return ModuleDigests() }
    let trust = trust
    return try ModuleDigests(from: inputs, workers: jobs, on: host) { input in
      _ = try trust.establish(for: input.trustIdentity, on: host)
    }
  }

  private func repack(
    _ path: String, signatures: SignatureSources, digests: ModuleDigests, workers: Int,
    claimed: Guarded<[String: String]>, memory: RepackMemory, on host: Host
  ) throws -> Outcome.Result {
    let input = try PackageInput(path, from: host.userFiles)
    let isShared = inputs.count > 1 && digests.sources.contains(path)
    guard let (source, modules) = try signatures(input) else {
      if isShared { return .configuration }
      throw Failure(
        "no signatures for package \(input.identity.package) found",
        hint: "create them with --detached-signatures, or specify the directory with \(input.identity.package)")
    }
    var options = self
    options.modules = modules
    let repacker = PackageRepacker(
      options: options, signatures: source, digests: digests, host: host, workers: workers, claimed: claimed,
      memory: memory)
    do {
      return .repacked(try repacker.run(input))
    } catch is PackageRepacker.NoKernelFiles where isShared {
      return .configuration
    }
  }
}

/// What happens to a kernel image that is already signed.
package enum ImagePolicy: String, CaseIterable, Sendable {
  /// The new signature is added after the others.
  case add
  /// The new signature replaces the others.
  case replace
  /// The image is left unchanged.
  case keep
}

/// Which kernel modules are signed.
package enum ModulePolicy: Sendable {
  case none
  /// Only modules without a signature.
  case unsigned
  /// All modules; existing signatures are replaced.
  case all
}

/// How the data archive of the output is compressed.
package enum OutputCompression: String, CaseIterable, Sendable {
  /// As in the input.
  case keep
  case xz, zstd, gzip, none
}

/// The name of the output's package.
package enum PackageNaming: Sendable {
  case keep
  /// The name that Proxmox gives to its own signed kernels.
  case asSigned
  /// The old name with this suffix.
  case suffix(String)
}

/// How one package was repacked.
package struct PackageReport: Sendable {
  /// The input or the output.
  package struct Side: Sendable {
    package let path: String
    package let package: String
    package let version: String
    /// Bytes.
    package let size: Int
    package let sha256: [UInt8]
  }

  /// How the edited data archive was compressed.
  package enum Packing: String, Sendable {
    /// Unchanged xz blocks were copied, changed ones transcoded: only the LZMA2 symbols around an edit are new.
    case transcoded = "transcoded"
    /// Unchanged xz blocks were copied, at least one changed block was compressed again.
    case blocks = "blocks"
    /// The whole archive was compressed again.
    case whole = "whole"
  }

  package let input: Side
  package let output: Side
  package let architecture: String
  package let trust: TrustFinding
  /// Subject of the signer's certificate.
  package let signer: String
  /// SHA-256 of that certificate; nil if unknown, as with attached signatures of modules only.
  package let certificateFingerprint: [UInt8]?
  package let changes: [FileChange]
  /// Path of the provenance file that was added; nil if none could be added.
  package let provenancePath: String?
  package let packing: Packing
  /// Notes for the user.
  package let notes: [Message]
}
