// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot

extension Planner {
  /// How the images will be reached, and whether this machine would start them. What cannot be told is a failure.
  mutating func decideChain() {
    guard let certificate else { return }
    do {
      let decision = try ChainDecision(
        of: host, configuration, certificate: certificate, evidence: evidence,
        partitions: survey.partitions.compactMap { open.files(of: $0.name) })
      self.decision = decision
      plan.chain = "\(decision.chain)"
      let database = try TrustDatabase(readingFrom: host)
      if database.isEnforced {
        forbiddenDigests = database.forbiddenImageDigests
      }
    } catch {
      plan.fail(Failure(adopting: error, of: "the way from the firmware to the images"))
    }
  }

  /// Where the machine would not start what is signed now, with a new key that is not enrolled yet, an image that it
  /// does start stays as it is: promise I1. The plan says so.
  mutating func withhold(_ partition: inout Plan.Partition, _ state: PartitionPlanner.State) {
    guard let decision, case .refused(let reason, let hint) = decision.trust, let certificate,
      let files = open.files(of: partition.name), let database = try? TrustDatabase(readingFrom: host)
    else { return }
    let fingerprint = try? certificate.fingerprint()
    for image in state.images {
      let known = manifest.image(on: partition.name, image.name)
      guard image.content != .signed, known == nil || known?.certificate != fingerprint,
        (try? isAccepted(image, files, database, throughShim: decision.chain.hasShim)) == true
      else { continue }
      partition.holdsAccepted = true
      guard !image.name.isPrevious,
        let kernel = plan.kernels.first(where: { $0.kernel == image.name.kernel }), kernel.demand != .none
      else { continue }
      partition.withheld.insert(kernel.kernel)
      plan.fail(
        Failure(
          "\(image.name.path.dropFirst()) stays as it is, since this machine would not start its successor: \(reason)",
          hint: hint))
    }
  }

  private func isAccepted(
    _ image: PresentImage, _ files: FileSystem, _ database: TrustDatabase, throughShim: Bool
  ) throws -> Bool {
    let file = try files.openFile(image.name.path)
    let parsed = try SignedImage(parsing: file)
    // What the manifest knows is whole; that need not be read.
    let signatures =
      image.isOurs
      ? try parsed.table.entries.map { try AuthenticodeSignature(parsing: $0) }
      : try parsed.signatures(in: file).filter { $0.verdict == .valid }.map(\.signature)
    return try signatures.contains { signature in
      try signature.message.signers.contains {
        try BootTrust.evaluate(certificate: $0, database: database, throughShim: throughShim).isAccepted
      }
    }
  }
}
