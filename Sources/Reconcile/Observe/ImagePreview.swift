// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import UnifiedKernelImage

/// The UKI that would be built now, for comparing it with those that exist.
///
/// The inputs are opened and read when they are needed first, and only once.
final class ImagePreview {
  let inputs: ImageInputs
  private let host: Host
  private var open: ImageInputs.Open?
  private var knownDigest: [UInt8]?

  init(of inputs: ImageInputs, on host: Host) {
    self.inputs = inputs
    self.host = host
  }

  /// The inputs.
  ///
  /// Throws as `ImageInputs.open`.
  func opened() throws -> ImageInputs.Open {
    if let open { return open }
    let opened = try inputs.open(host)
    open = opened
    return opened
  }

  /// The SHA-256 Authenticode digest.
  ///
  /// Runs the inputs through the builder, which writes nothing. Throws if one cannot be read.
  func digest() throws -> [UInt8] {
    if let knownDigest { return knownDigest }
    let digest = try ImageBuilder.digest(of: opened().plan)
    knownDigest = digest
    return digest
  }

  /// Whether it is the UKI of `record`, also signed with the same certificate.
  ///
  /// Throws if an input cannot be read.
  func isSame(as record: ImageRecord) throws -> Bool {
    guard let known = record.authenticode, try opened().fingerprint() == record.certificate else { return false }
    return try digest() == known
  }
}
