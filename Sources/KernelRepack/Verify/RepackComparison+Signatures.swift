// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
internal import DebianArchive
internal import Messages
internal import ModuleSignature

extension RepackComparison {
  /// Two images that differ: only in what Authenticode does not digest, and by a signature that is sound.
  mutating func compare(_ old: SurveyedImage, _ new: SurveyedImage, at path: ArchivePath) throws {
    guard old.digest == new.digest else {
      return object(.content, path, "its Authenticode digest is another: more than signatures changed")
    }
    let added = new.entries.indices.filter { !old.entries.contains(new.entries[$0]) }
    let kept = new.entries.count - added.count
    guard !added.isEmpty else {
      return object(.imageSignature, path, "no signature was added, but \(old.entries.count - kept) left out")
    }
    for index in added {
      let signer = Self.name(new.signatures[index])
      if let fault = try fault(of: new.signatures[index], new.verdicts[index]) {
        object(.imageSignature, path, "the signature of \(signer) \(fault)")
      } else if kept == old.entries.count {
        expect(.imageSignature, path, "the signature of \(signer) was added; the image is the same without it")
      } else {
        expect(
          .imageSignature, path,
          "the signature of \(signer) took the place of \(old.entries.count - kept); the image is the same without them"
        )
      }
    }
  }

  private static func name(_ signature: AuthenticodeSignature) -> Message {
    signature.message.signers.first.map { Message(verbatim: $0.subject) } ?? "an unknown signer"
  }

  /// What is wrong with a new signature, as the rest of a sentence.
  private func fault(of signature: AuthenticodeSignature, _ verdict: SignedImage.Verdict) throws -> Message? {
    switch verdict {
    case .broken: return "does not hold"
    case .otherImage: return "is over another image"
    case .valid: break
    }
    if let obstacle = signature.firmwareObstacle { return obstacle }
    guard !anchors.isEmpty else { return nil }
    return try signature.message.anchor(among: anchors) == nil ? "is not by the certificate that was given" : nil
  }

  /// Two modules that differ: only behind what their signatures are over.
  mutating func compare(_ old: SurveyedModule, _ new: SurveyedModule, at path: ArchivePath) throws {
    guard old.contentDigest == new.contentDigest else {
      return object(.content, path, "it differs in more than its signature")
    }
    guard let trailer = new.trailer else { return object(.moduleSignature, path, "its signature was left out") }
    guard old.trailer?.signature != trailer.signature else {
      return object(.content, path, "it is packed in another way")
    }
    do {
      let signed = try SignedModule(trailer)
      if let fault = try fault(of: signed, over: new) {
        object(.moduleSignature, path, fault)
      } else if old.trailer == nil {
        expect(.moduleSignature, path, "a signature was added; the module is the same without it")
      } else {
        expect(.moduleSignature, path, "its signature was replaced; the module is the same without it")
      }
    } catch let error as CryptoError {
      object(.moduleSignature, path, "its new signature cannot be read: \(error)")
    }
  }

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
