// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
package import Cryptography
internal import EFIData
package import Messages
package import SigningKeys

/// The state of the host, its ESPs and its firmware that is relevant for UKIs.
///
/// It is immutable, and planning needs nothing else.
package struct HostObservation: Sendable {
  package let configuration: Configuration
  /// The ESPs that are present, and the problems of those that are missing or unusable.
  package let survey: ESPSurvey
  /// By name of the ESP; ESPs that cannot be read are missing.
  package let contents: [String: ESPContents]
  /// Errors from reading ESPs.
  let readFailures: [Failure]
  /// ESPs that the kernel cannot read although they are marked as cleanly unmounted.
  let unreadable: Set<String>
  /// Files on ESPs that the user should remove, and unexamined files, one sentence each.
  let fileNotes: [Message]
  /// UKIs that do not match their record, by ESP.
  package let damaged: [(esp: String, name: UKIName)]

  package let inventory: KernelInventory
  /// Release of the running kernel; nil if this root is not that of the running system.
  package let running: String?
  /// The kernels that get a UKI, and why.
  let choice: KernelChoice
  let sources: [Kernel: ImageSource]
  /// The command lines of the UKIs besides the configured one.
  package let variants: ImageVariants
  /// How the running system was booted; nil if it does not say so.
  package let evidence: BootEvidence?
  /// What has become of the last trial.
  package let trial: TrialObservation
  /// Findings about the command lines of the UKIs.
  package let lineFindings: [LineFinding]

  /// Files with secrets that other users can read or replace.
  package let exposures: [Failure]

  /// Whether UKIs can be signed; nil if nothing has to be signed, and it was not examined.
  package let key: KeyAvailability?
  /// The current certificate; nil if it cannot be read.
  package let certificate: Certificate?
  /// The warning about the certificate's validity; nil if it is valid, or cannot be read.
  package let certificateWarning: Failure?
  /// The boot chain, and whether it is trusted; nil without a certificate.
  let chain: Result<ChainDecision, Failure>?
  /// Why the boot chain rejects UKIs in the manifest although it trusts their key, by SHA-256 of the file.
  let refusals: [[UInt8]: Message]
  /// Files for the enrolment of keys that are enrolled now, by ESP.
  let staged: [String: StagedRemoval]
  /// UKIs that this machine starts although it would reject newly signed ones, by ESP.
  let accepted: [String: Set<UKIName>]

  /// The manifest, updated from the files found on the ESPs.
  package let manifest: Manifest
  /// The manifest as it was saved; nil if it could not be used.
  let savedManifest: Manifest?
  /// Why the saved manifest could not be used; nil if it could.
  let manifestNote: Message?

  /// The host's boot loaders that the chain needs; nil without a chain.
  let loaders: Result<LoaderPrograms, Failure>?
  /// Boot loaders and type 1 entries, by ESP; empty without `loaders`.
  ///
  /// ESPs that cannot be read are missing.
  let bootFiles: [String: Result<BootFiles, Failure>]
  /// systemd-boot's default in the EFI variable; nil if it has no effect.
  let loaderDefault: LoaderDefaultObservation?
  let firmware: FirmwareObservation
  /// The dkms settings.
  let dkms: Result<DKMSFiles, Failure>

  /// Whether a UKI that this machine starts is kept because it would reject a newly signed one.
  package var keepsAcceptedImages: Bool { accepted.values.contains { !$0.isEmpty } }

  /// Whether the running system was booted from a UKI made by pve-sb-uki; nil if the system does not say so.
  ///
  /// After the UKI was replaced it still counts, since the name and the ESP decide.
  package var isBootedFromUKI: Bool? {
    guard let evidence else { return nil }
    if let name = evidence.imageName, UKIName(fileName: name) != nil { return survey.esps.contains(where: isBooted) }
    // A copy that shim or the firmware finds by its fixed name.
    guard let number = evidence.bootCurrent, let variables = try? firmware.variables?.get(),
      let file = variables[number]?.option?.file, evidence.imageName != nil
    else { return false }
    return file.isInOurNameSpace && survey.esps.contains { $0.location?.isSamePartition(as: file.partition) == true }
  }

  private func isBooted(_ esp: ESP) -> Bool {
    guard let booted = evidence?.partition, let own = esp.location else { return true }
    return booted == own.guid && !own.isMBR
  }

  /// The ESPs that could be read.
  var readESPs: [ESP] { survey.esps.filter { contents[$0.name] != nil } }
}

/// How to obtain the UKI of a kernel.
enum ImageSource: Sendable {
  /// An ESP already has the UKI with that SHA-256 digest, and `inputs` would produce it again; the size is in bytes.
  case recorded(digest: [UInt8], size: Int, inputs: ImageInputs)
  /// The UKI has to be built and is at most `size` bytes long; the notes are about its parts.
  case toBuild(size: Int, notes: [Message], inputs: ImageInputs)
  /// The UKI cannot be built.
  case unusable(Failure)
  /// Whether the UKI has to be built is unknown, since the certificate is away together with the key.
  case waiting
}

/// A finding about the command line of some UKIs.
package struct LineFinding: MessageConvertible, Sendable {
  package let line: CommandLine
  package let finding: CommandLineFinding
  /// Whether this machine runs with that line.
  package let isProven: Bool

  package var message: Message { "the command line in \(finding.path ?? line.path): \(finding.detail)" }
}

/// The boot variables, and the partitions that boot entries can refer to.
struct FirmwareObservation: Sendable {
  /// Nil if the machine has no EFI variables.
  let variables: Result<BootVariables, any Error>?
  /// Unique GUIDs of all GPT partitions of this machine; nil if unknown.
  let partitions: Set<GUID>?
}
