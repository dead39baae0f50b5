// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// An EFI_SIGNATURE_LIST (UEFI 2.10 section 32.4.1): signatures of one type and one size.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 16 | SignatureType |
/// | 16 | 4 | SignatureListSize, all of the list |
/// | 20 | 4 | SignatureHeaderSize |
/// | 24 | 4 | SignatureSize, of each signature with its owner |
/// | 28 | | header, then the signatures: 16 bytes owner and the data |
package struct SignatureList: Hashable, Sendable {
  package struct Signature: Hashable, Sendable {
    /// Who put the signature there.
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
  /// Empty for every type the specification defines; kept as it came.
  package let header: [UInt8]
  /// Size in bytes of every signature with its owner, as the list states it.
  private let signatureSize: Int
  package let signatures: [Signature]

  /// A list of one signature.
  package init(type: SignatureType, signature: Signature) {
    self.type = type
    header = []
    signatureSize = Self.ownerSize + signature.data.count
    signatures = [signature]
  }

  /// Reads one list. Throws `ParseError` if a size contradicts another, the type or the input.
  package init(parsing reader: inout ByteReader) throws(ParseError) {
    let start = reader.offset
    type = SignatureType(guid: try GUID(parsing: &reader))
    let listSize = try reader.readCount(UInt32.self)
    let headerSize = try reader.readCount(UInt32.self)
    let size = try reader.readCount(UInt32.self)
    guard listSize >= Self.headerSize else {
      throw ParseError(Self.format, at: start + 16, .range, "a list of \(listSize) bytes has no room for its header")
    }
    var body = try reader.subReader(count: listSize - Self.headerSize)
    guard size > Self.ownerSize, size == type.dataSize.map({ $0 + Self.ownerSize }) ?? size else {
      throw ParseError(
        Self.format, at: start + 24, .range, "signatures of type \(type.guid) cannot be \(size) bytes long")
    }
    signatureSize = size
    header = Array(try body.read(count: headerSize))
    guard body.remaining.isMultiple(of: size) else {
      throw ParseError(
        Self.format, at: start + 24, .range,
        "\(body.remaining) bytes are not a whole number of signatures of \(size) bytes")
    }
    var signatures: [Signature] = []
    while !body.isAtEnd {
      let owner = try GUID(parsing: &body)
      signatures.append(Signature(owner: owner, data: Array(try body.read(count: size - Self.ownerSize))))
    }
    self.signatures = signatures
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
