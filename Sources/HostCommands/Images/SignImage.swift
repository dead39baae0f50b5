// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import Messages
internal import PortableExecutable
internal import Reconcile
package import SigningKeys

/// `pve-sb-uki sign`: signs an EFI image, in place or to another file.
package struct SignImage: Sendable {
  package var path: String
  /// The signing key; nil for the one in the settings.
  package var key: KeySource?
  /// Path of the output; nil signs in place.
  package var output: String?
  /// Whether to remove existing signatures instead of adding ours after them.
  package var replacesExisting = false

  package init(path: String, key: KeySource? = nil) {
    self.path = path
    self.key = key
  }

  package struct Result: Sendable {
    package var path: String
    /// Subject of the signing certificate.
    package var signer: String
    /// Number of signatures before.
    package var signaturesBefore: Int
    /// Number of signatures now.
    package var signaturesAfter: Int
    /// False if the image already had a valid signature of ours and nothing was written.
    package var wasWritten: Bool
    package var notes: [Message]
  }

  /// Signs and verifies the image, then puts it in place.
  ///
  /// Throws `Failure` or `HostError`.
  package func run(on host: Host) throws -> Result {
    let key = try key ?? Configuration(of: host.files).signingKey
    let identity = try key.load(from: host)
    let target = output ?? path
    try ImageWriter.require(target, toBeNoneOf: key.userPaths, in: host.userFiles)
    return try describing(path) {
      let source = try host.userFiles.openFile(path)
      let (image, signatures) = try existing(in: source)
      let before = signatures.count
      var result = Result(
        path: target, signer: identity.certificate.subject, signaturesBefore: before,
        signaturesAfter: replacesExisting ? 1 : before + 1, wasWritten: true,
        notes: [identity.certificate.validityWarning(on: host)?.note].compactMap { $0 })
      let isDone =
        image?.table.defect == nil && !(replacesExisting && before > 1)
        && signatures.contains { $0.isValid(by: identity.certificate) }
      if isDone {
        result.signaturesAfter = before
        result.wasWritten = target != path
        guard result.wasWritten else { return result }
      }
      let signer = ImageSigner(
        identity: identity, existing: replacesExisting ? .replace : .append, signingTime: try host.buildTime)
      var written: WrittenImage?
      _ = try host.userFiles.replaceFile(
        target, mode: source.status.mode & 0o777,
        verify: { file in
          let isRight =
            if let written {
              try written.isEqual(to: file, copyOf: source) && written.isSigned(by: identity.certificate, in: file)
            } else { try ByteComparison.areEqual(file, source) }
          try source.requireUnchanged()
          guard isRight else {
            throw Failure(
              "\(file.path): verification failed after signing", hint: "check this machine's memory and storage")
          }
        },
        writing: { sink in
          if isDone {
            try sink.write(contentsOf: source)
          } else {
            written = try signer.sign(source, to: sink)
          }
        })
      return result
    }
  }

  /// The image with its signatures; nil if its certificate table is to be replaced and unreadable.
  ///
  /// Throws a `Failure` whose hint is --replace if nothing can be added to the table.
  private func existing(in source: File) throws -> (image: SignedImage?, signatures: [ImageSignature]) {
    let hint: Message = "add --replace to remove all existing signatures"
    do {
      let image = try SignedImage(parsing: source)
      let signatures = try image.signatures(in: source)
      guard !replacesExisting else { return (image, signatures) }
      if let defect = image.table.defect {
        throw Failure("\(path): the certificate table is damaged: \(defect)", hint: hint)
      }
      // The firmware rejects an image with a signature that it cannot read, whatever is added.
      for case .unreadable(let reason) in signatures.map(\.verdict) {
        throw Failure("\(path): a signature is unreadable: \(reason)", hint: hint)
      }
      return (image, signatures)
    } catch let error as ParseError {
      // Another error here is not about the table.
      _ = try PEHeader(parsing: source, discardingCertificates: true)
      guard replacesExisting else { throw Failure("\(path): \(error)", hint: hint) }
      return (nil, [])
    }
  }
}
