// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
internal import DebianArchive
internal import Messages
internal import ModuleSignature

extension RepackComparison {
  /// Compares two images that differ.
  ///
  /// They may differ only by a new signature, which must be valid.
  mutating func compare(_ old: SurveyedImage, with new: SurveyedImage, at path: ArchivePath) throws {
    guard old.digest == new.digest else {
      return addProblem(.content, at: path, detail: "more than its signatures changed: the Authenticode digest differs")
    }
    let added = new.entries.indices.filter { !old.entries.contains(new.entries[$0]) }
    let kept = new.entries.count - added.count
    guard !added.isEmpty else {
      return addProblem(
        .imageSignature, at: path, detail: "signatures added: 0, removed: \(old.entries.count - kept)")
    }
    for index in added {
      let signer = Self.name(new.signatures[index])
      if let fault = try fault(of: new.signatures[index]) {
        addProblem(.imageSignature, at: path, detail: "the signature by \(signer) \(fault)")
      } else if kept == old.entries.count {
        addExpected(
          .imageSignature, at: path, detail: "the signature by \(signer) was added; the image is otherwise unchanged")
      } else {
        addExpected(
          .imageSignature, at: path,
          detail: """
            the signature by \(signer) replaces the previous ones (\(old.entries.count - kept)); the image is otherwise \
            unchanged
            """
        )
      }
    }
  }

  private static func name(_ signature: ImageSignature) -> Message {
    signature.signature?.message.signers.first.map { Message(verbatim: $0.subject) } ?? "an unknown signer"
  }

  /// The fault of a new signature, as the rest of a sentence; nil if it is valid.
  private func fault(of found: ImageSignature) throws -> Message? {
    switch found.verdict {
    case .broken: return "is invalid"
    case .otherImage: return "belongs to another image"
    case .unreadable(let reason): return "is unreadable: \(reason)"
    case .otherType: return "has a type that firmware does not read"
    case .valid: break
    }
    guard let signature = found.signature else { return nil }
    if let obstacle = signature.firmwareObstacle { return obstacle }
    guard !anchors.isEmpty else { return nil }
    return try signature.message.anchor(among: anchors) == nil ? "does not match the specified certificate" : nil
  }

  /// Compares two modules that differ.
  ///
  /// They may differ only in their trailers.
  mutating func compare(_ old: SurveyedModule, with new: SurveyedModule, at path: ArchivePath) throws {
    guard old.contentDigest == new.contentDigest else {
      return addProblem(.content, at: path, detail: "more than its signature changed")
    }
    guard let trailer = new.trailer else {
      return addProblem(.moduleSignature, at: path, detail: "its signature was removed")
    }
    guard old.trailer?.signature != trailer.signature else {
      return addProblem(.content, at: path, detail: "it is compressed differently")
    }
    do {
      let signed = try SignedModule(trailer)
      if let fault = try fault(of: signed, over: new) {
        addProblem(.moduleSignature, at: path, detail: fault)
      } else if old.trailer == nil {
        addExpected(.moduleSignature, at: path, detail: "a signature was added; the module is otherwise unchanged")
      } else {
        addExpected(.moduleSignature, at: path, detail: "its signature was replaced; the module is otherwise unchanged")
      }
    } catch let error as CryptoError {
      addProblem(.moduleSignature, at: path, detail: "its new signature cannot be read: \(error)")
    }
  }

  /// The fault of a new signature; nil if it is valid, or if any signer is accepted.
  private func fault(of signed: SignedModule, over module: SurveyedModule) throws -> Message? {
    guard !anchors.isEmpty else { return nil }
    guard let digest = module.digests[signed.algorithm] else {
      return "its signature uses the unsupported digest \(signed.algorithm.rawValue)"
    }
    guard try signed.signer(ofContentWith: digest, among: anchors) != nil else {
      return signed.names(oneOf: anchors)
        ? "its signature is invalid" : "its signature does not match the specified certificate"
    }
    return nil
  }
}
