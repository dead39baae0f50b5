// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
internal import Messages

/// A TimeStampToken (RFC 3161 section 2.4.2) over a signature.
package struct TimestampToken: Sendable {
  private let der: [UInt8]
  private let stamped: [UInt8]

  init(der: [UInt8], stamped: [UInt8]) {
    self.der = der
    self.stamped = stamped
  }

  /// The certificates of those who signed the token; empty if it cannot be read.
  package var signers: [Certificate] { (try? SignedData(parsing: der))?.signers ?? [] }

  /// The time in the token, in seconds since 1970, if the token is valid, covers the signature, and every signer
  /// descends from `anchor`; nil if not.
  ///
  /// Without an anchor any signer will do, which proves nothing.
  /// Follows EDK2 (CryptTs.c, `TimestampTokenVerify`): validity dates and purposes are ignored. Unlike EDK2, a digest
  /// that has not its algorithm's length does not match; EDK2 does not compare such a digest.
  package func time(trusting anchor: Certificate?) throws -> Int64? {
    guard let message = try? SignedData(parsing: der), try anchor.map(message.descends) ?? true,
      let content = try message.verifiedContent(limit: Info.sizeLimit), let info = try? Info(parsing: content)
    else { return nil }
    return try info.digest == Digest.of(stamped, info.algorithm) ? info.time : nil
  }

  /// The fields of a TSTInfo that matter here.
  private struct Info {
    /// EDK2 reads that many bytes.
    static let sizeLimit = 2048
    private static let format = "RFC 3161"

    let algorithm: DigestAlgorithm
    let digest: [UInt8]
    let time: Int64

    init(parsing bytes: [UInt8]) throws(ParseError) {
      var outer = ByteReader(bytes, format: Self.format)
      var info = try outer.readDER(DER.sequence)
      var version = try info.readDER(DER.integer)
      guard Array(version.readToEnd()) == [1] else {
        throw ParseError(Self.format, at: info.offset, .unsupported, "the version is not 1")
      }
      _ = try info.readDER(DER.objectIdentifier)  // policy
      var imprint = try info.readDER(DER.sequence)
      var identifier = try imprint.readDER(DER.sequence)
      var name = try identifier.readDER(DER.objectIdentifier)
      guard let algorithm = DigestAlgorithm(objectIdentifier: Array(name.readToEnd())) else {
        throw ParseError(Self.format, at: imprint.offset, .unsupported, "the digest algorithm is unknown")
      }
      self.algorithm = algorithm
      var hashed = try imprint.readDER(DER.octetString)
      digest = Array(hashed.readToEnd())
      _ = try info.readDER(DER.integer)  // serial number
      let start = info.offset
      var text = try info.readDER(DER.generalizedTime)
      guard let time = Self.seconds(Array(text.readToEnd())) else {
        throw ParseError(Self.format, at: start, .range, "the time is invalid")
      }
      self.time = time
    }

    /// Reads `YYYYMMDDhhmmss`; EDK2 ignores what follows, the fraction and the time zone.
    private static func seconds(_ text: [UInt8]) -> Int64? {
      let digits = text.prefix(14)
      guard digits.count == 14, digits.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
      let values = digits.map { Int32($0 - 0x30) }
      func number(_ range: Range<Int>) -> Int32 { values[range].reduce(0) { $0 * 10 + $1 } }
      let (year, month, day) = (number(0..<4), number(4..<6), number(6..<8))
      let (hour, minute, second) = (number(8..<10), number(10..<12), number(12..<14))
      guard year >= 1900, 1...12 ~= month, 1...31 ~= day, hour < 24, minute < 60, second < 60 else { return nil }
      return CalendarDate(year: year, month: month, day: day, hour: hour, minute: minute, second: second).seconds
    }
  }
}
