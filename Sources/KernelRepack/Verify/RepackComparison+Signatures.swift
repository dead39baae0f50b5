// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
internal import DebianArchive
internal import Messages
internal import ModuleSignature

extension RepackComparison {
  /// Compares two images that are not the same.
  ///
  /// They may differ only by a new signature, which must be valid.
  mutating func compare(_ old: SurveyedImage, with new: SurveyedImage, at path: ArchivePath) throws {
    guard old.digest == new.digest else {
      return addProblem(.content, at: path, detail: "its Authenticode digest is another: more than signatures changed")
    }
    let added = new.entries.indices.filter { !old.entries.contains(new.entries[$0]) }
    let kept = new.entries.count - added.count
    guard !added.isEmpty else {
      return addProblem(
        .imageSignature, at: path, detail: "no signature was added, but \(old.entries.count - kept) left out")
    }
    for index in added {
      let signer = Self.name(new.signatures[index])
      if let fault = try fault(of: new.signatures[index], verdict: new.verdicts[index]) {
        addProblem(.imageSignature, at: path, detail: "the signature of \(signer) \(fault)")
      } else if kept == old.entries.count {
        addExpected(
          .imageSignature, at: path, detail: "the signature of \(signer) was added; the image is the same without it")
      } else {
        addExpected(
          .imageSignature, at: path,
          detail:
            "the signature of \(signer) took the place of \(old.entries.count - kept); the image is the same without them"
        )
      }
    }
  }

  private static func name(_ signature: AuthenticodeSignature) -> Message {
    signature.message.signers.first.map { Message(verbatim: $0.subject) } ?? "an unknown signer"
  }

  /// What is wrong with a new signature, as the rest of a sentence; nil if it is valid.
  private func fault(of signature: AuthenticodeSignature, verdict: SignedImage.Verdict) throws -> Message? {
    switch verdict {
    case .broken: return "does not hold"
    case .otherImage: return "is over another image"
    case .valid: break
    }
    if let obstacle = signature.firmwareObstacle { return obstacle }
    guard !anchors.isEmpty else { return nil }
    return try signature.message.anchor(among: anchors) == nil ? "is not by the certificate that was given" : nil
  }

  /// Compares two modules that are not the same.
  ///
  /// They may differ only in their trailers.
  mutating func compare(_ old: SurveyedModule, with new: SurveyedModule, at path: ArchivePath) throws {
    guard old.contentDigest == new.contentDigest else {
      return addProblem(.content, at: path, detail: "it differs in more than its signature")
    }
    guard let trailer = new.trailer else {
      return addProblem(.moduleSignature, at: path, detail: "its signature was left out")
    }
    guard old.trailer?.signature != trailer.signature else {
      return addProblem(.content, at: path, detail: "it is packed in another way")
    }
    do {
      let signed = try SignedModule(trailer)
      if let fault = try fault(of: signed, over: new) {
        addProblem(.moduleSignature, at: path, detail: fault)
      } else if old.trailer == nil {
        addExpected(.moduleSignature, at: path, detail: "a signature was added; the module is the same without it")
      } else {
        addExpected(.moduleSignature, at: path, detail: "its signature was replaced; the module is the same without it")
      }
    } catch let error as CryptoError {
      addProblem(.moduleSignature, at: path, detail: "its new signature cannot be read: \(error)")
    }
  }

  /// What is wrong with a new signature, as the rest of a sentence; nil if it is valid, or if any signer will do.
  private func fault(of signed: SignedModule, over module: SurveyedModule) throws -> Message? {
    guard !anchors.isEmpty else { return nil }
    guard let digest = module.digests[signed.algorithm] else {
      return "its signature is made with \(signed.algorithm.rawValue)"
    }
    guard try signed.signer(ofContentWith: digest, among: anchors) != nil else {
      return signed.names(oneOf: anchors)
        ? "its signature does not hold" : "its signature is not by the certificate that was given"
    }
    return nil
  }
}
