// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import Messages

/// What a repository's release file says: a stanza of fields, of which SHA256 lists the indexes.
struct ReleaseFile: Hashable, Sendable {
  struct Entry: Hashable, Sendable {
    var sha256: [UInt8]
    var size: Int
  }

  private(set) var origin: String?
  private(set) var suite: String?
  private(set) var date: CalendarDate?
  private(set) var validUntil: CalendarDate?
  /// By path below the release file's directory.
  private(set) var entries: [String: Entry] = [:]

  /// Throws `TrustError` if the text is no stanza, a field comes twice, or a date or an entry cannot be read.
  init(parsing text: [UInt8], of file: String) throws(TrustError) {
    var names: Set<String> = []
    var field = ""
    for line in text.split(separator: UInt8(ascii: "\n")) {
      if line.first == UInt8(ascii: " ") {
        if field == "sha256" { try addEntry(line, of: file) }
        continue
      }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
        throw Self.error(file, "it has a line without a field")
      }
      field = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      guard names.insert(field).inserted else { throw Self.error(file, "it has two fields \(field)") }
      let value = String(decoding: line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
      switch field {
      case "origin": origin = value
      case "suite", "codename": suite = suite ?? value
      case "date": date = try Self.date(value, of: file)
      case "valid-until": validUntil = try Self.date(value, of: file)
      default: break
      }
    }
    guard !entries.isEmpty else { throw Self.error(file, "it lists no files with SHA-256 digests") }
  }

  /// Throws `TrustError` if the file holds no more at `now`, in seconds since 1970.
  func requireCurrent(at now: Int64, file: String) throws(TrustError) {
    guard let validUntil, validUntil.seconds < now else { return }
    throw TrustError(
      .release, "\(file) is out of date: it holds until \(validUntil)",
      hint: "run apt-get update, or get a new one; for a package of an old repository compare its digest with --sha256")
  }

  private mutating func addEntry(_ line: some Sequence<UInt8>, of file: String) throws(TrustError) {
    let words = String(decoding: Array(line), as: UTF8.self).split(separator: " ")
    guard words.count == 3, let digest = [UInt8](hexadecimal: words[0]), digest.count == 32, let size = Int(words[1]),
      size >= 0
    else { throw Self.error(file, "it has a line that names no file") }
    let entry = Entry(sha256: digest, size: size)
    guard entries.updateValue(entry, forKey: String(words[2])) ?? entry == entry else {
      throw Self.error(file, "it has two digests of \(words[2])")
    }
  }

  private static func date(_ text: String, of file: String) throws(TrustError) -> CalendarDate {
    guard let date = CalendarDate(mail: text) else { throw error(file, "'\(text)' is no date in UTC") }
    return date
  }

  private static func error(_ file: String, _ detail: Message) -> TrustError {
    TrustError(
      .release, "\(file) is no release file: \(detail)", hint: "name an InRelease or a Release of a Debian repository")
  }
}
