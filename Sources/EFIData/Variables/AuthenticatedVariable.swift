// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// The content of an .auth file: EFI_VARIABLE_AUTHENTICATION_2 and the variable's new data (UEFI 2.10 section 8.2.2).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 16 | TimeStamp |
/// | 16 | 4 | AuthInfo.Hdr.dwLength, from here to the end of the signature |
/// | 20 | 2 | wRevision, 0x0200 |
/// | 22 | 2 | wCertificateType, 0x0EF1 |
/// | 24 | 16 | CertType, EFI_CERT_TYPE_PKCS7_GUID |
/// | 40 | | CertData: the signature; then the data |
package struct AuthenticatedVariable: Hashable, Sendable {
  package let time: EFITime
  /// A PKCS#7 SignedData in DER, with or without a ContentInfo around it, unchanged.
  ///
  /// Empty in unsigned files for Setup Mode.
  package let signature: [UInt8]
  /// The variable's new data; empty to delete it.
  package let payload: [UInt8]

  private static let format = "EFI_VARIABLE_AUTHENTICATION_2"
  private static let certificateHeaderSize = 24
  private static let revision: UInt16 = 0x0200
  private static let certificateType: UInt16 = 0x0ef1
  private static let pkcs7 = GUID(0x4aaf_d29d, 0x68df, 0x49ee, 0x8aa9_347d_3756_65a7)

  package init(time: EFITime, signature: [UInt8], payload: [UInt8]) {
    self.time = time
    self.signature = signature
    self.payload = payload
  }

  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: Self.format)
    time = try EFITime(parsing: &reader)
    let length = try reader.readCount(UInt32.self)
    let start = reader.offset
    guard try reader.read(UInt16.self) == Self.revision, try reader.read(UInt16.self) == Self.certificateType,
      try GUID(parsing: &reader) == Self.pkcs7
    else { throw ParseError(Self.format, at: start, .magic, "the signature is not of type PKCS#7") }
    guard length >= Self.certificateHeaderSize else {
      throw ParseError(Self.format, at: start - 4, .range, "\(length) bytes are too short for the signature's header")
    }
    signature = Array(try reader.read(count: length - Self.certificateHeaderSize))
    payload = Array(reader.readToEnd())
  }

  package func serialize() -> [UInt8] {
    var writer = ByteWriter()
    time.serialize(into: &writer)
    writer.write(UInt32(clamping: Self.certificateHeaderSize + signature.count))
    writer.write(Self.revision)
    writer.write(Self.certificateType)
    writer.write(Self.pkcs7.bytes)
    writer.write(signature)
    writer.write(payload)
    return writer.bytes
  }

  /// The bytes that the signature of an update covers: the name in UTF-16 without NUL, vendor, attributes, time and
  /// data.
  package static func signedBytes(
    variable: EFIVariableName, attributes: EFIVariableAttributes, time: EFITime, payload: [UInt8]
  ) -> [UInt8] {
    var writer = ByteWriter()
    for unit in variable.name.utf16 { writer.write(unit) }
    writer.write(variable.vendor.bytes)
    writer.write(attributes.rawValue)
    time.serialize(into: &writer)
    writer.write(payload)
    return writer.bytes
  }
}
