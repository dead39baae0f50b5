// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// Looks through an index of packages, as it passes by, for the stanza with a digest.
struct PackageSearch {
  /// Of one stanza.
  private static let sizeLimit = 1 << 20

  private let wanted: [UInt8]
  private var line: [UInt8] = []
  private var stanza: [UInt8] = []
  private var isWanted = false
  private var found: PackageStanza?

  init(sha256: [UInt8]) { wanted = Array("SHA256: \(sha256.hexadecimal)".utf8) }

  /// Throws `TrustError` if a stanza is larger than any.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(TrustError) {
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      line += bytes[start..<end]
      guard line.count + stanza.count <= Self.sizeLimit else {
        throw TrustError(.index, "an entry of the index has more than \(Self.sizeLimit) bytes")
      }
      if end < bytes.count { endLine() }
      start = end + 1
    }
  }

  /// The first such stanza, if there was one.
  mutating func finish() -> PackageStanza? {
    endLine()
    endStanza()
    return found
  }

  private mutating func endLine() {
    if line.isEmpty {
      endStanza()
    } else {
      if line == wanted { isWanted = true }
      stanza += line
      stanza.append(UInt8(ascii: "\n"))
    }
    line.removeAll(keepingCapacity: true)
  }

  private mutating func endStanza() {
    if isWanted, found == nil { found = PackageStanza(parsing: stanza) }
    isWanted = false
    stanza.removeAll(keepingCapacity: true)
  }
}

/// What an index says of one package.
struct PackageStanza: Hashable {
  private var fields: [String: String] = [:]

  init(parsing text: [UInt8]) {
    for line in text.split(separator: UInt8(ascii: "\n")) where line.first != UInt8(ascii: " ") {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      fields[name] = String(decoding: line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
    }
  }

  /// Throws `TrustError` if the index calls the package otherwise than it calls itself.
  func requireAgreement(with deb: DebIdentity, index: String) throws(TrustError) {
    for (field, value) in [
      ("Package", deb.package), ("Version", deb.version), ("Architecture", deb.architecture),
    ] where fields[field.lowercased()] != value {
      throw TrustError(
        .index,
        "\(index) and \(deb.path) disagree: \(field) is \(fields[field.lowercased()] ?? "missing") and \(value)",
        hint: "get both once more; if they still disagree tell the repository's maintainers")
    }
  }
}
