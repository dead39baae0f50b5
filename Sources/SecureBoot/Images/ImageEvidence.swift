// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Authenticode
package import Cryptography
package import HostSystem
internal import Messages
internal import PortableExecutable

/// The facts about an image on which firmware and shim base their decisions.
package struct ImageEvidence: Sendable {
  /// Whether the image has a certificate table.
  package private(set) var isSigned = true
  /// The entries of the certificate table in order, as far as it can be read.
  private(set) var entries: [SignatureEvidence] = []
  /// Whether EDK2's walk through the table ends at its end; EDK2 rejects the image otherwise.
  private(set) var tableEndsExactly = true
  /// Whether shim can walk through the table; it rejects the image otherwise.
  private(set) var isTableReadableByShim = true
  /// Digests as EDK2 computes them; empty if the image is only planned.
  private(set) var digests: [DigestAlgorithm: [UInt8]] = [:]
  /// Digests as shim computes them.
  private(set) var shimDigests: [DigestAlgorithm: [UInt8]] = [:]
  private(set) var revocationData = RevocationData.unrestricted
  private(set) var isNXCompatible = true

  /// An image that would be signed with this certificate.
  ///
  /// Its digest is in no list, and its SBAT data passes.
  package init(signedBy certificate: Certificate) {
    entries = [SignatureEvidence(plannedBy: certificate)]
  }

  /// Reads an image, to be judged with the lists of `database`.
  ///
  /// If `digest`, the SHA-256 digest, is known and no list needs others, only the headers and signatures are read.
  ///
  /// Throws if the file is not an EFI image or cannot be read; a damaged certificate table or signature is evidence.
  package init(of file: File, for database: TrustDatabase, digest: [UInt8]? = nil) throws {
    let image: SignedImage
    do {
      image = try SignedImage(parsing: file)
    } catch let error as ParseError {
      // Firmware and shim reject an image whose certificate table is in the wrong place, whatever its digest.
      guard (try? PEHeader(parsing: file, discardingCertificates: true)) != nil else { throw error }
      self.init(tableEndsExactly: false, isTableReadableByShim: false)
      return
    }
    try self.init(of: image, in: file, for: database, digest: digest)
  }

  private init(tableEndsExactly: Bool, isTableReadableByShim: Bool) {
    self.tableEndsExactly = tableEndsExactly
    self.isTableReadableByShim = isTableReadableByShim
  }

  /// As above, for an image whose headers were read from `file`; the digests that `image` knows are not computed again.
  package init(
    of image: SignedImage, in file: File, for database: TrustDatabase, digest: [UInt8]? = nil
  ) throws {
    isSigned = image.header.certificateTableRange != nil
    entries = try image.table.entries.map { try SignatureEvidence($0) }
    tableEndsExactly = image.table.endsExactly
    isTableReadableByShim = image.table.shimEntries != nil
    isNXCompatible = image.header.isNXCompatible
    revocationData = .section(try image.header.sbat(in: file))
    let needed = database.digestAlgorithms.union(entries.compactMap(\.firmwareAlgorithm)).union([.sha256])
    if let digest, needed == [.sha256], isSigned {
      digests = [.sha256: digest]
    } else {
      digests = try image.digests(needed, of: file)
    }
    let shimAlgorithms = needed.intersection([.sha1, .sha256])
    shimDigests =
      isSigned
      ? digests.filter { shimAlgorithms.contains($0.key) } : try image.digests(shimAlgorithms, of: file, as: .shim)
  }
}

extension TrustDatabase {
  /// The algorithms with which the lists name images.
  fileprivate var digestAlgorithms: Set<DigestAlgorithm> {
    [db, dbx, mokList, mokListX].reduce([]) { $0.union($1.digestAlgorithms) }
  }
}
