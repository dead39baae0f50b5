// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import Cryptography
internal import DebianArchive
internal import Messages
internal import ModuleSignature
internal import PortableExecutable

/// What is kept of an entry of the data archive when its content has gone by.
struct SurveyedFile: Sendable {
  /// What a file is apart from its bytes.
  enum Nature: Sendable {
    case plain
    case image(SurveyedImage)
    case module(SurveyedModule)
    /// The file that says where a repacked package comes from.
    case provenance([UInt8])
    /// An image or module that cannot be read as one; why, as the rest of a sentence.
    case unreadable(Message)
  }

  let entry: TarEntry
  let md5: [UInt8]
  let sha256: [UInt8]
  let nature: Nature

  /// As Installed-Size counts it: whole KiB of a file, one for anything else.
  var kibibytes: Int { entry.kind == .file ? entry.size / 1024 + (entry.size % 1024 == 0 ? 0 : 1) : 1 }
}

/// A kernel image apart from its bytes.
struct SurveyedImage: Sendable {
  /// SHA-256 by Authenticode, in which signatures do not count.
  let digest: [UInt8]
  let entries: [CertificateTable.Entry]
  /// In the order of `entries`.
  let signatures: [AuthenticodeSignature]
  let verdicts: [SignedImage.Verdict]

  init(_ content: [UInt8]) throws {
    let image = try SignedImage(parsing: content)
    digest = try ImageDigest.compute(of: content, header: image.header)
    entries = image.table.entries
    let found = try image.signatures(in: content)
    signatures = found.map(\.signature)
    verdicts = found.map(\.verdict)
  }
}

/// A kernel module apart from its bytes.
struct SurveyedModule: Sendable {
  /// SHA-256 of what stands before the signature.
  let contentDigest: [UInt8]
  /// Nil if it carries no signature.
  let trailer: ModuleTrailer?
  /// Of what stands before the signature, by every algorithm that one may be made with; empty unless asked for.
  let digests: [DigestAlgorithm: [UInt8]]
}
