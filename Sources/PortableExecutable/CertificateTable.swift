// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// An image's attribute certificate table: WIN_CERTIFICATE structures, each aligned to 8 bytes.
///
/// Reading takes what can be read: a damaged table costs only what follows the damage. EDK2 and shim differ in what
/// damage they accept; `endsExactly` and `shimEntries` have the answer of each.
package struct CertificateTable: Hashable, Sendable {
  package struct Entry: Sendable {
    /// `WIN_CERT_REVISION_2_0`.
    package static let revision2: UInt16 = 0x0200
    /// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
    package static let pkcsType: UInt16 = 0x0002
    /// `WIN_CERT_TYPE_EFI_GUID`: the data starts with a GUID that names its format.
    package static let guidType: UInt16 = 0x0ef1
    /// `EFI_CERT_TYPE_PKCS7_GUID` (UEFI 2.10 section 32.2.4).
    package static let pkcs7 = GUID(0x4aaf_d29d, 0x68df, 0x49ee, 0x8aa9_347d_3756_65a7)
    static let headerSize = 8

    /// The offset of the entry in the file; 0 if it was not read from one.
    package let offset: Int
    package var revision: UInt16
    package var type: UInt16
    /// The certificate as read, without the padding to 8 bytes.
    package var data: [UInt8]

    package init(revision: UInt16 = revision2, type: UInt16 = pkcsType, data: [UInt8], offset: Int = 0) {
      self.offset = offset
      self.revision = revision
      self.type = type
      self.data = data
    }

    /// The DER encoding of PKCS#7 signed data; nil for an entry of another type, which firmware skips.
    ///
    /// EDK2 reads both types; shim reads only `pkcsType`. Neither looks at the revision.
    package var signedData: [UInt8]? {
      switch type {
      case Self.pkcsType: data
      case Self.guidType where data.starts(with: Self.pkcs7.bytes): Array(data.dropFirst(16))
      default: nil
      }
    }
  }

  /// Maximum number of entries that are read.
  ///
  /// Images have one to three; checking a signature takes up to a millisecond.
  package static let entryLimit = 64
  /// Maximum number of bytes that are read.
  package static let sizeLimit = 1 << 20

  /// All entries that are completely in the table, also a last one without padding, and also those of unknown types.
  package var entries: [Entry]
  /// Why reading stopped before the end of the table, or why EDK2 stops there; nil for a table without damage.
  package private(set) var defect: ParseError?
  /// Whether EDK2's walk over the table ends exactly at its end; otherwise EDK2 rejects the image, even if it has found
  /// a good signature.
  ///
  /// EDK2 (DxeImageVerificationLib, `DxeImageVerificationHandler`) stops at 8 remaining bytes or fewer, and at an entry
  /// that is longer than the rest of the table, padding included, or too short for its type.
  package private(set) var endsExactly = true
  private var isAcceptedByShim = true

  package init(_ entries: [Entry] = []) { self.entries = entries }

  /// The signatures that shim tries, in order; nil if shim rejects the image because of its table.
  ///
  /// Unlike EDK2, shim (`verify_buffer_authenticode` of 15.8 and 16.1) accepts a last entry without padding, and one
  /// that is too short for its type. It rejects an image with an entry that is longer than the rest of the table or
  /// shorter than its header, even after a good signature. It tries only entries of `pkcsType`.
  package var shimEntries: [Entry]? { isAcceptedByShim ? entries.filter { $0.type == Entry.pkcsType } : nil }

  /// Reads a table that starts at file offset `start` and is the end of the file.
  package init(parsing bytes: [UInt8], at start: Int) {
    self.init()
    walk(bytes, at: start)
  }

  private mutating func walk(_ bytes: [UInt8], at start: Int) {
    var offset = 0
    while offset < bytes.count {
      guard entries.count < Self.entryLimit else {
        return stop(at: start + offset, .range, "more than \(Self.entryLimit) entries", shimContinues: false)
      }
      var reader = ByteReader(bytes[offset...], format: Self.format, startingAt: start + offset)
      guard let length = try? reader.readCount(UInt32.self), let revision = try? reader.read(UInt16.self),
        let type = try? reader.read(UInt16.self)
      else {
        return stop(
          at: start + offset, .truncated, "\(bytes.count - offset) bytes after the last entry", shimContinues: false)
      }
      let left = bytes.count - offset
      guard length >= Entry.headerSize else {
        return stop(
          at: start + offset, .range, "entry length \(length) is less than 8", shimContinues: false)
      }
      guard let data = try? reader.read(count: length - Entry.headerSize) else {
        return stop(
          at: start + offset, .truncated, "the entry has \(length) bytes, the rest of the table \(left)",
          shimContinues: false)
      }
      entries.append(Entry(revision: revision, type: type, data: Array(data), offset: start + offset))
      // Shim reads 12 bytes of each entry, and fails if the file ends before.
      if left < 12 { isAcceptedByShim = false }
      if let fault = Self.fault(length: length, left: left, type: type) {
        stop(at: start + offset, fault.rule, fault.detail, shimContinues: true)
      }
      offset += length + (8 - length % 8) % 8
    }
  }

  /// Why EDK2 stops at an entry that is completely in the table.
  private static func fault(length: Int, left: Int, type: UInt16) -> (rule: ParseError.Rule, detail: Message)? {
    if left <= Entry.headerSize { return (.range, "the table ends with an empty entry") }
    if left - length < (8 - length % 8) % 8 { return (.truncated, "the last entry is not padded to 8 bytes") }
    switch type {
    case Entry.pkcsType where length <= Entry.headerSize, Entry.guidType where length <= Entry.headerSize + 16:
      return (.range, "entry length \(length) is too small for type 0x\(String(type, radix: 16))")
    default: return nil
    }
  }

  /// Notes the first damage.
  ///
  /// Shim continues after some damage, so that the entries after it are read.
  private mutating func stop(at offset: Int, _ rule: ParseError.Rule, _ detail: Message, shimContinues: Bool) {
    defect = defect ?? ParseError(Self.format, at: offset, rule, detail)
    endsExactly = false
    if !shimContinues { isAcceptedByShim = false }
  }

  /// Reads the table of an image; empty if the image has none.
  ///
  /// Throws only if `source` cannot be read.
  package init(of header: PEHeader, in source: any RandomAccessBytes) throws {
    guard let range = header.certificateTableRange else {
      self.init()
      return
    }
    let count = min(range.count, Self.sizeLimit)
    self.init(
      parsing: try source.readBytes(at: range.lowerBound, count: count, format: Self.format), at: range.lowerBound)
    if range.count > count {
      defect = ParseError(
        Self.format, at: range.lowerBound, .range, "the table has \(range.count) bytes; at most 1 MiB is read")
      endsExactly = false
      isAcceptedByShim = false
    }
  }

  package func serialize(into writer: inout ByteWriter) {
    for entry in entries {
      writer.write(UInt32(entry.data.count + Entry.headerSize))
      writer.write(entry.revision)
      writer.write(entry.type)
      writer.write(entry.data)
      writer.pad(toMultipleOf: 8)
    }
  }

  /// The table's bytes, a multiple of 8.
  package var serialized: [UInt8] {
    var writer = ByteWriter()
    serialize(into: &writer)
    return writer.bytes
  }

  static let format = "certificate table"
}

/// Entries with the same content are equal, wherever they are in the file.
extension CertificateTable.Entry: Hashable {
  package static func == (left: Self, right: Self) -> Bool {
    left.revision == right.revision && left.type == right.type && left.data == right.data
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(revision)
    hasher.combine(type)
    hasher.combine(data)
  }
}
