// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages
internal import PortableExecutable

/// The SBAT data of an image, and whether a revocation level allows it, as shim 15.8 and 16.1 decide (SBAT.md of the shim
/// project).
///
/// shim is stricter than `SBAT` in some points and more tolerant in others.
enum RevocationData: Hashable, Sendable {
  case section(SBATSection)
  /// Data that passes every level.
  case unrestricted

  /// Why shim rejects the image at this level; nil if it accepts it.
  func refusal(at level: RevocationLevel) -> Message? {
    switch self {
    case .unrestricted: return nil
    case .section(.invalid(let error)): return "its SBAT data is invalid: \(error.detail)"
    case .section where level.generations.isEmpty: return nil
    case .section(.missing): return "it has no SBAT data (.sbat)"
    case .section(.present(let bytes)):
      guard let rows = CommaSeparatedRows.parse(bytes, columns: 6, required: 6) else {
        return "its SBAT data is invalid"
      }
      for row in rows {
        guard let required = level.generation(of: row[0]) else { continue }
        let generation = CommaSeparatedRows.number(row[1])
        if generation < required {
          return """
            its SBAT data names \(String(decoding: row[0], as: UTF8.self)) \(generation), but shim requires \(required) \
            (revocation level \(level.date))
            """
        }
      }
      return nil
    }
  }
}

/// The generations that shim requires, as in `SbatLevel`: a header `sbat,1,DATE`, then `component,generation` lines.
package struct RevocationLevel: Hashable, Sendable {
  /// Component and required generation, in order; the first entry for a component counts.
  private(set) var generations: [(component: [UInt8], generation: UInt16)]
  /// Ten digits: year, month, day, counter; a higher one replaces a lower one.
  package let date: String
  private let version: [UInt8]

  /// Nil if shim rejects the text, or if it is not a level.
  package init?(parsing bytes: [UInt8]) {
    guard let rows = CommaSeparatedRows.parse(bytes, columns: 3, required: 2), let header = rows.first,
      header.count == 3, header[0] == Array("sbat".utf8)
    else { return nil }
    version = header[1]
    date = String(decoding: header[2], as: UTF8.self)
    generations = rows.map { ($0[0], CommaSeparatedRows.number($0[1])) }
  }

  func generation(of component: [UInt8]) -> UInt16? { generations.first { $0.component == component }?.generation }

  /// Whether shim keeps this level when it carries `other`: its version is higher, or its date is not lower.
  func isKept(over other: RevocationLevel) -> Bool {
    if version.count != other.version.count { return version.count > other.version.count }
    if version != other.version { return other.version.lexicographicallyPrecedes(version) }
    return date.utf8.prefix(10).elementsEqual(other.date.utf8.prefix(10))
      || other.date.utf8.prefix(10).lexicographicallyPrecedes(date.utf8.prefix(10))
  }

  /// No level: every image passes.
  init() {
    generations = []
    date = ""
    version = []
  }

  package static func == (left: Self, right: Self) -> Bool {
    left.date == right.date && left.version == right.version
      && left.generations.elementsEqual(right.generations) { $0 == $1 }
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(date) }
}

/// shim's reader of comma-separated values: the text ends at the first NUL, and columns after the last are ignored.
private enum CommaSeparatedRows {
  /// The rows; nil if one has fewer than the required columns, or an empty one.
  static func parse(_ bytes: [UInt8], columns: Int, required: Int) -> [[[UInt8]]]? {
    var text = bytes.prefix { $0 != 0 }
    if text.starts(with: [0xef, 0xbb, 0xbf]) { text = text.dropFirst(3) }
    var rows: [[[UInt8]]] = []
    for line in text.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
      let fields = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).prefix(columns)
      guard fields.count >= required, fields.allSatisfy({ !$0.isEmpty }) else { return nil }
      rows.append(fields.map(Array.init))
    }
    return rows
  }

  /// The number at the start of the text, as atoi(3) reads it, in 16 bits; 0 if there is none.
  static func number(_ text: [UInt8]) -> UInt16 {
    let digits = text.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "+") }
      .prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    let value = digits.reduce(0 as UInt64) { ($0 &* 10 &+ UInt64($1 - UInt8(ascii: "0"))) & 0xffff_ffff }
    return UInt16(truncatingIfNeeded: value)
  }
}
