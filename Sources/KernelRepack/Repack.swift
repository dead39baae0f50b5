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

  package var inputs: [String]
  /// Made if it is not there.
  package var outputDirectory: String
  package var signing = Signing.key(.hostDefault)
  package var images = ImagePolicy.add
  package var modules = ModulePolicy.none
  package var versionSuffix = "+sb1"
  package var naming = PackageNaming.keep
  package var compression = OutputCompression.keep
  /// Whether blocks that could be kept are compressed anew, too.
  package var recompresses = false
  /// Whether every file is held against md5sums, not only those that change.
  package var checksContents = false
  package var trust = InputTrust.nothing
  /// Threads in all.
  package var jobs = ParallelWork.processorCount
  /// For provenance files.
  package var toolVersion: String

  package init(inputs: [String], outputDirectory: String, toolVersion: String) {
    self.inputs = inputs
    self.outputDirectory = outputDirectory
    self.toolVersion = toolVersion
  }

  package struct Outcome: Sendable {
    package let input: String
    package let result: Result<PackageReport, Failure>
  }

  /// Repacks all inputs, several at a time, and goes on after one that fails. `progress` is told of each when it is done,
  /// one after the other but on any thread. Throws `Failure` or `HostError` if there is no use in beginning.
  package func run(on host: Host, progress: @escaping @Sendable (Outcome) -> Void = { _ in }) throws -> [Outcome] {
    let key = try keySignatures(on: host)
    try host.userFiles.makeDirectory(outputDirectory)
    let together = max(1, min(jobs, inputs.count))
    let inputs = inputs
    let workers = max(1, jobs / together)
    let claimed = Guarded([String: String]())
    let told = Guarded(progress)
    return try ParallelWork.map(inputs.count, workers: together) { index in
      let input = inputs[index]
      let outcome: Outcome
      do throws(Failure) {
        outcome = Outcome(
          input: input,
          result: .success(try describingPackage(input) { try repack(input, key, workers, claimed, on: host) }))
      } catch {
        outcome = Outcome(input: input, result: .failure(error))
      }
      told.withLock { $0(outcome) }
      return outcome
    }
  }

  /// Nil if others have signed.
  private func keySignatures(on host: Host) throws -> KeySignatures? {
    guard case .key(let key) = signing else { return nil }
    return KeySignatures(identity: try key.load(from: host), signingTime: host.buildTime)
  }

  private func repack(
    _ path: String, _ key: KeySignatures?, _ workers: Int, _ claimed: Guarded<[String: String]>, on host: Host
  ) throws -> PackageReport {
    let input = try PackageInput(path, from: host.userFiles)
    var repacker = PackageRepacker(
      options: self, signatures: try key ?? attachedSignatures(for: input, on: host), host: host, workers: workers,
      claimed: claimed)
    if let attached = repacker.signatures as? AttachedSignatures { repacker.options.modules = attached.modules }
    return try repacker.run(input)
  }

  private func attachedSignatures(for input: PackageInput, on host: Host) throws -> any SignatureSource {
    guard case .attached(let directory) = signing else { throw Failure("there is nothing to sign with") }
    return try AttachedSignatures(directory, package: input.identity.package, from: host.userFiles)
  }
}
