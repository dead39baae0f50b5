// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import Messages

/// A repository's release file: one stanza of fields, among them SHA256, which lists the indexes.
package struct ReleaseFile: Hashable, Sendable {
  /// An index: its digest, and its size in bytes.
  struct Entry: Hashable, Sendable {
    var sha256: [UInt8]
    var size: Int
  }

  private(set) var origin: String?
  /// The field Suite or Codename, whichever comes first.
  private(set) var suite: String?
  private(set) var date: CalendarDate?
  private(set) var validUntil: CalendarDate?
  /// The indexes by path relative to the directory of the release file.
  private(set) var entries: [String: Entry] = [:]

  /// Throws `TrustError` if the text is not a stanza, a field or entry is repeated, or a date or entry is malformed.
  package init(parsing text: [UInt8], of file: String) throws(TrustError) {
    var names: Set<String> = []
    var field = ""
    for line in ByteLines(text) where !line.isEmpty {
      if line.first == UInt8(ascii: " ") {
        if field == "sha256" { try addEntry(line, of: file) }
        continue
      }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
        throw Self.error(file, "it contains a line without a field")
      }
      field = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      guard names.insert(field).inserted else { throw Self.error(file, "it has more than one field \(field)") }
      let value = String(decoding: line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
      switch field {
      case "origin": origin = value
      case "suite", "codename": suite = suite ?? value
      case "date": date = try Self.date(value, of: file)
      case "valid-until": validUntil = try Self.date(value, of: file)
      default: break
      }
    }
    guard !entries.isEmpty else { throw Self.error(file, "it does not list SHA-256 digests") }
  }

  /// Throws `TrustError` if the file has expired by `now`, in seconds since 1970.
  func requireCurrent(at now: Int64, file: String) throws(TrustError) {
    guard let validUntil, validUntil.seconds < now else { return }
    throw TrustError(
      .release, "\(file) is out of date: it was valid until \(validUntil)",
      hint: "run 'apt-get update' or download a new one; for an old repository, use --sha256 instead")
  }

  private mutating func addEntry(_ line: ArraySlice<UInt8>, of file: String) throws(TrustError) {
    let words = String(decoding: line, as: UTF8.self).split(separator: " ")
    guard words.count == 3, let digest = [UInt8](hexadecimal: words[0]), digest.count == 32, let size = Int(words[1]),
      size >= 0
    else { throw Self.error(file, "it contains an invalid SHA256 line") }
    let entry = Entry(sha256: digest, size: size)
    guard entries.updateValue(entry, forKey: String(words[2])) ?? entry == entry else {
      throw Self.error(file, "it has different digests for \(words[2])")
    }
  }

  private static func date(_ text: String, of file: String) throws(TrustError) -> CalendarDate {
    guard let date = CalendarDate(mail: text) else { throw error(file, "'\(text)' is not a date in UTC") }
    return date
  }

  private static func error(_ file: String, _ detail: Message) -> TrustError {
    TrustError(
      .release, "\(file) is not a release file: \(detail)", hint: "specify InRelease or Release of a Debian repository")
  }
}

extension CalendarDate {
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

  /// Parses a date in mail format (RFC 5322 section 3.3) and UTC: `Fri, 27 Nov 2026 00:12:41 UTC`.
  ///
  /// Nil if it is malformed or in another time zone. The day of the week is ignored.
  fileprivate init?(mail text: String) {
    let words = text.split(separator: " ")
    guard words.count == 6, words[0].utf8.last == UInt8(ascii: ","), ["UTC", "GMT", "Z", "+0000"].contains(words[5]),
      let day = Self.number(words[1], 1...31), let month = Self.months.firstIndex(of: String(words[2])),
      let year = Self.number(words[3], 1970...9999)
    else { return nil }
    let time = words[4].split(separator: ":", omittingEmptySubsequences: false)
    guard time.count == 3, let hour = Self.number(time[0], 0...23), let minute = Self.number(time[1], 0...59),
      let second = Self.number(time[2], 0...60)
    else { return nil }
    // Count years from March, so that the leap day is the last day of a year.
    let (shifted, sinceMarch) = month < 2 ? (year - 1, month + 10) : (year, month - 2)
    let days =
      shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (sinceMarch * 153 + 2) / 5 + day - 1 - 719_468
    self.init(seconds: Int64(days * 86400 + hour * 3600 + minute * 60 + second))
  }

  private static func number(_ text: some StringProtocol, _ range: ClosedRange<Int>) -> Int? {
    guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let number = Int(text),
      range.contains(number)
    else { return nil }
    return number
  }
}
