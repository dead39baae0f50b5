// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// The content of PK, KEK, db, dbx or an .esl file: a sequence of signature lists.
package struct SignatureDatabase: Hashable, Sendable {
  package var lists: [SignatureList]

  package init(lists: [SignatureList] = []) { self.lists = lists }

  /// Reads lists up to the end of the input; empty for an empty input.
  ///
  /// Throws `ParseError` for any bytes that are not a list.
  package init(parsing reader: inout ByteReader) throws(ParseError) {
    lists = []
    while !reader.isAtEnd { lists.append(try SignatureList(parsing: &reader)) }
  }

  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: SignatureList.format)
    try self.init(parsing: &reader)
  }

  /// One list for each certificate, all owned by `owner`, as cert-to-efi-sig-list creates them.
  package init(certificates: [[UInt8]], owner: GUID) {
    lists = certificates.map { SignatureList(type: .x509, signature: .init(owner: owner, data: $0)) }
  }

  /// What firmware and shim find in a variable: the readable lists, and why other bytes were skipped.
  ///
  /// Like EDK2, skips a list that contradicts itself if its size leads to the next one; ignores everything after a size
  /// that does not. Signatures can have an unexpected size for their type.
  package static func readable(in bytes: [UInt8]) -> (database: SignatureDatabase, defects: [ParseError]) {
    var database = SignatureDatabase()
    var defects: [ParseError] = []
    var reader = ByteReader(bytes, format: SignatureList.format)
    while !reader.isAtEnd {
      do {
        guard let list = try SignatureList(readableIn: &reader, &defects) else { continue }
        database.lists.append(list)
      } catch {
        defects.append(error)
        break
      }
    }
    return (database, defects)
  }

  /// All signatures of `type` in order.
  package func signatures(of type: SignatureType) -> [SignatureList.Signature] {
    lists.filter { $0.type == type }.flatMap(\.signatures)
  }

  /// The same signatures with one list for each certificate: shim looks only at the first certificate of a list.
  package var withOneListPerCertificate: SignatureDatabase {
    SignatureDatabase(
      lists: lists.flatMap { list in
        list.type == .x509 ? list.signatures.map { SignatureList(type: .x509, signature: $0) } : [list]
      })
  }

  package func serialize() -> [UInt8] {
    var writer = ByteWriter()
    for list in lists { list.serialize(into: &writer) }
    return writer.bytes
  }
}

/// An EFI_SIGNATURE_LIST (UEFI 2.10 section 32.4.1): signatures of one type and one size.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 16 | SignatureType |
/// | 16 | 4 | SignatureListSize, of the whole list |
/// | 20 | 4 | SignatureHeaderSize |
/// | 24 | 4 | SignatureSize, of each signature with its owner |
/// | 28 | | header, then the signatures: 16 bytes of owner, then the data |
package struct SignatureList: Hashable, Sendable {
  package struct Signature: Hashable, Sendable {
    /// The GUID of the agent that added the signature.
    package var owner: GUID
    package var data: [UInt8]

    package init(owner: GUID, data: [UInt8]) {
      self.owner = owner
      self.data = data
    }
  }

  static let format = "EFI_SIGNATURE_LIST"
  private static let headerSize = 28
  private static let ownerSize = 16

  package let type: SignatureType
  /// Empty for all types in the specification; kept unchanged.
  package let header: [UInt8]
  /// Size in bytes of every signature with its owner, as in the list's header.
  private let signatureSize: Int
  package let signatures: [Signature]

  /// A list of one signature.
  package init(type: SignatureType, signature: Signature) {
    self.type = type
    header = []
    signatureSize = Self.ownerSize + signature.data.count
    signatures = [signature]
  }

  /// Reads one list.
  ///
  /// Throws `ParseError` if a size does not match another size, the type or the input.
  package init(parsing reader: inout ByteReader) throws(ParseError) {
    var defects: [ParseError] = []
    let list = try SignatureList(readableIn: &reader, &defects)
    if let defect = defects.first { throw defect }
    guard let list else {
      throw ParseError(Self.format, at: reader.offset, .range, "the list has no signatures that can be read")
    }
    self = list
  }

  private init(type: SignatureType, header: [UInt8], signatureSize: Int, signatures: [Signature]) {
    self.type = type
    self.header = header
    self.signatureSize = signatureSize
    self.signatures = signatures
  }

  /// Reads the complete signatures of one list and skips the rest of it; nil if it has none that can be read.
  ///
  /// Throws `ParseError` if the list's size leads nowhere.
  fileprivate init?(readableIn reader: inout ByteReader, _ defects: inout [ParseError]) throws(ParseError) {
    let start = reader.offset
    let type = SignatureType(guid: try GUID(parsing: &reader))
    let listSize = try reader.readCount(UInt32.self)
    let headerSize = try reader.readCount(UInt32.self)
    let size = try reader.readCount(UInt32.self)
    guard listSize >= Self.headerSize else {
      throw ParseError(Self.format, at: start + 16, .range, "a list of \(listSize) bytes is too short for its header")
    }
    var body = try reader.subReader(count: listSize - Self.headerSize)
    guard size > Self.ownerSize, headerSize <= body.remaining else {
      defects.append(
        ParseError(
          Self.format, at: start + 20, .range,
          "a header of \(headerSize) bytes and signatures of \(size) bytes are not possible"))
      return nil
    }
    if let expected = type.dataSize, size != expected + Self.ownerSize {
      defects.append(
        ParseError(
          Self.format, at: start + 24, .range, "signatures of type \(type.guid) cannot be \(size) bytes long"))
    }
    let header = Array(try body.read(count: headerSize))
    var signatures: [Signature] = []
    while body.remaining >= size {
      let owner = try GUID(parsing: &body)
      signatures.append(Signature(owner: owner, data: Array(try body.read(count: size - Self.ownerSize))))
    }
    if !body.isAtEnd {
      defects.append(
        ParseError(
          Self.format, at: body.offset, .range, "the last \(body.remaining) bytes of the list are not a signature"))
    }
    self.init(type: type, header: header, signatureSize: size, signatures: signatures)
  }

  package func serialize(into writer: inout ByteWriter) {
    writer.write(type.guid.bytes)
    writer.write(UInt32(clamping: Self.headerSize + header.count + signatures.count * signatureSize))
    writer.write(UInt32(clamping: header.count))
    writer.write(UInt32(clamping: signatureSize))
    writer.write(header)
    for signature in signatures {
      writer.write(signature.owner.bytes)
      writer.write(signature.data)
    }
  }
}

/// The type of a list's signatures, as a GUID (UEFI 2.10 section 32.4.1); an open set.
package struct SignatureType: Hashable, Sendable {
  package let guid: GUID

  package init(guid: GUID) { self.guid = guid }

  /// A DER certificate.
  ///
  /// All signatures of a list have the same size, so each certificate has its own list.
  package static let x509 = Self(guid: GUID(0xa5c0_59a1, 0x94e4, 0x4aa7, 0x87b5_ab15_5c2b_f072))
  /// Digests of an image, in db and dbx.
  package static let sha1 = Self(guid: GUID(0x826c_a512, 0xcf10, 0x4ac9, 0xb187_be01_4966_31bd))
  package static let sha256 = Self(guid: GUID(0xc1c4_1626, 0x504c, 0x4092, 0xaca9_41f9_3693_4328))
  package static let sha384 = Self(guid: GUID(0xff3e_5307, 0x9fd0, 0x48c9, 0x85f1_8ad5_6c70_1e01))
  package static let sha512 = Self(guid: GUID(0x093e_0fae, 0xa6c4, 0x4f50, 0x9f1b_d41e_2b89_c19a))
  /// The digest of a certificate's to-be-signed part and the EFI_TIME of its revocation.
  package static let x509SHA256 = Self(guid: GUID(0x3bd2_a492, 0x96c0, 0x4079, 0xb420_fcf9_8ef1_03ed))
  package static let x509SHA384 = Self(guid: GUID(0x7076_876e, 0x80c2, 0x4ee6, 0xaad2_28b3_49a6_865b))
  package static let x509SHA512 = Self(guid: GUID(0x446d_bf63, 0x2502, 0x4cda, 0xbcfa_2465_d2b0_fe9d))

  /// The size in bytes of all signatures of this type; nil if it varies or is unknown.
  var dataSize: Int? {
    switch self {
    case .sha1: 20
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    case .x509SHA256: 48
    case .x509SHA384: 64
    case .x509SHA512: 80
    default: nil
    }
  }
}
