// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
package import Cryptography
internal import EFIData
package import Messages

/// A picture of the host, its ESPs and its firmware as far as images depend on them.
///
/// It does not change, and planning needs nothing else.
package struct HostObservation: Sendable {
  package let configuration: Configuration
  /// The ESPs that are there, and those that were to be.
  package let survey: ESPSurvey
  /// By name of the ESP; one that cannot be read is missing.
  package let contents: [String: ESPContents]
  /// Why an ESP cannot be read.
  let readFailures: [Failure]
  /// ESPs whose file system the kernel cannot read, though by its own words it was unmounted.
  let unreadable: Set<String>
  /// What a file system check has left on ESPs, a sentence each.
  let salvageNotes: [Message]
  /// Images that were recorded as right and are not, by ESP.
  package let damaged: [(esp: String, name: UKIName)]

  package let kernels: KernelInventory
  /// Release of the running kernel; nil in a root other than the running system's.
  package let running: String?
  /// Which kernels are to have an image, and what it takes.
  let choice: KernelChoice
  let sources: [Kernel: ImageSource]
  /// What is to be said about the command lines that images are made with.
  package let lineFindings: [LineFinding]

  /// The certificate in use; nil if there is none that can be read.
  package let certificate: Certificate?
  /// How the images are reached, and whether this machine would start them; nil without a certificate.
  let chain: Result<ChainDecision, Failure>?
  /// Authenticode digests that the firmware refuses whoever signed them; empty where it enforces nothing.
  let forbiddenDigests: Set<[UInt8]>
  /// Authenticode digests of this program's images, by ESP; empty where none is refused.
  let imageDigests: [String: [UKIName: [UInt8]]]
  /// Images that this machine starts though it would not start what is signed now, by ESP.
  let accepted: [String: Set<UKIName>]

  /// The manifest, with what the ESPs have shown.
  let manifest: Manifest
  /// Why it is not as it was recorded.
  let manifestNote: Message?

  /// Programs of the host that the chain needs; nil without a chain.
  let loaders: Result<LoaderPrograms, Failure>?
  /// Boot loaders and type 1 entries, by ESP that can be read; empty without `loaders`.
  let bootFiles: [String: Result<BootFiles, Failure>]
  /// What systemd-boot is told by the firmware's variable; nil where that does not matter.
  let loaderDefault: LoaderDefaultObservation?
  let firmware: FirmwareObservation
  /// dkms's settings.
  let dkms: Result<DKMSFiles, Failure>

  /// The ESPs that could be read.
  var readESPs: [ESP] { survey.esps.filter { contents[$0.name] != nil } }
}

/// Where the image of a kernel comes from.
enum ImageSource: Sendable {
  /// Bytes of that digest lie on an ESP already, and `inputs` would give them again.
  case recorded(digest: [UInt8], size: Int, inputs: ImageInputs)
  /// It has yet to be made, with `size` bytes at most. The notes are about its parts.
  case toBuild(size: Int, notes: [Message], inputs: ImageInputs)
  /// It cannot be made.
  case unusable(Failure)
}

/// A finding about one of the command lines that images are made with.
package struct LineFinding: MessageConvertible, Sendable {
  package let line: CommandLine
  package let finding: CommandLineFinding

  package var message: Message { "the command line in \(finding.path ?? line.path): \(finding.detail)" }
}

/// What the firmware's boot manager says, and what it could be told.
struct FirmwareObservation: Sendable {
  /// Nil where there are no variables.
  let variables: Result<BootVariables, any Error>?
  /// Unique GUIDs of all partitions of this machine; nil where nobody tells.
  let partitions: Set<GUID>?
}
