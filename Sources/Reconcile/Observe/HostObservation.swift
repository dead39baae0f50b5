// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
package import Cryptography
internal import EFIData
package import Messages

/// The state of the host, its ESPs and its firmware, as far as images depend on it.
///
/// It is immutable, and planning needs nothing else.
package struct HostObservation: Sendable {
  package let configuration: Configuration
  /// The ESPs that are present, and the problems of those that are missing or unusable.
  package let survey: ESPSurvey
  /// By name of the ESP; ESPs that cannot be read are missing.
  package let contents: [String: ESPContents]
  /// Why an ESP cannot be read.
  let readFailures: [Failure]
  /// ESPs that the kernel cannot read although they are marked as cleanly unmounted.
  let unreadable: Set<String>
  /// Files that a file system check has left on ESPs, a sentence each.
  let recoveryNotes: [Message]
  /// Images that do not match their record, by ESP.
  package let damaged: [(esp: String, name: UKIName)]

  package let inventory: KernelInventory
  /// Release of the running kernel; nil if this root is not that of the running system.
  package let running: String?
  /// The kernels that get an image, and why.
  let choice: KernelChoice
  let sources: [Kernel: ImageSource]
  /// Findings about the command lines of the images.
  package let lineFindings: [LineFinding]

  /// The certificate in use; nil if it cannot be read.
  package let certificate: Certificate?
  /// The boot chain, and whether it is trusted; nil without a certificate.
  let chain: Result<ChainDecision, Failure>?
  /// Authenticode digests that dbx revokes, whatever the signature; empty if Secure Boot is not enforced.
  let forbiddenDigests: Set<[UInt8]>
  /// Authenticode digests of this program's images, by ESP; empty if `forbiddenDigests` is.
  let imageDigests: [String: [UKIName: [UInt8]]]
  /// Images that this machine starts although it would refuse newly signed ones, by ESP.
  let accepted: [String: Set<UKIName>]

  /// The manifest, updated with what was found on the ESPs.
  let manifest: Manifest
  /// Why the recorded manifest could not be used; nil if it could.
  let manifestNote: Message?

  /// Boot loaders on the host that the chain needs; nil without a chain.
  let loaders: Result<LoaderPrograms, Failure>?
  /// Boot loaders and type 1 entries, by ESP; empty without `loaders`.
  ///
  /// ESPs that cannot be read are missing.
  let bootFiles: [String: Result<BootFiles, Failure>]
  /// systemd-boot's default in the EFI variable; nil if it has no effect.
  let loaderDefault: LoaderDefaultObservation?
  let firmware: FirmwareObservation
  /// The settings for dkms.
  let dkms: Result<DKMSFiles, Failure>

  /// The ESPs that could be read.
  var readESPs: [ESP] { survey.esps.filter { contents[$0.name] != nil } }
}

/// How to get the image of a kernel.
enum ImageSource: Sendable {
  /// An ESP already has the image with that SHA-256 digest, and `inputs` would produce it again. The size is in bytes.
  case recorded(digest: [UInt8], size: Int, inputs: ImageInputs)
  /// The image has to be built and has `size` bytes at most. The notes are about its parts.
  case toBuild(size: Int, notes: [Message], inputs: ImageInputs)
  /// The image cannot be built.
  case unusable(Failure)
}

/// A finding about the command line of some images.
package struct LineFinding: MessageConvertible, Sendable {
  package let line: CommandLine
  package let finding: CommandLineFinding

  package var message: Message { "the command line in \(finding.path ?? line.path): \(finding.detail)" }
}

/// The boot variables, and the partitions that boot entries can refer to.
struct FirmwareObservation: Sendable {
  /// Nil if there are no EFI variables.
  let variables: Result<BootVariables, any Error>?
  /// Unique GUIDs of all GPT partitions of this machine; nil if they are not known.
  let partitions: Set<GUID>?
}
