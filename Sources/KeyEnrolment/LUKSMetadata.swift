// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
package import Messages

/// What a LUKS2 header says about unlocking, as `cryptsetup luksDump --dump-json-metadata` prints it.
package struct LUKSMetadata: Hashable, Sendable {
  /// The numbers of the keyslots that unlock data.
  package private(set) var keyslots: Set<String> = []
  /// In the order of their numbers.
  package private(set) var tokens: [UnlockToken] = []

  private static let format = "LUKS2 metadata"
  /// How deep shares of secrets may be nested.
  private static let depthLimit = 8

  /// Throws `ParseError` if it is not the JSON of a LUKS2 header.
  package init(parsing text: [UInt8]) throws(ParseError) {
    let document = try JSONValue(parsing: text)
    guard let slots = document["keyslots"]?.object, let tokens = document["tokens"]?.object else {
      throw ParseError(Self.format, at: 0, .magic, "it has no keyslots or no tokens")
    }
    keyslots = Self.unlocking(document) ?? Set(slots.keys)
    func number(_ name: String) -> Int { Int(name) ?? .max }
    let sorted = tokens.sorted { (number($0.key), $0.key) < (number($1.key), $1.key) }
    self.tokens = sorted.compactMap { Self.token($0.value) }
  }

  /// The keyslots whose digest belongs to a segment; others have keys that unlock nothing.
  ///
  /// Nil if the digests do not say it.
  private static func unlocking(_ document: JSONValue) -> Set<String>? {
    guard let digests = document["digests"]?.object, !digests.isEmpty else { return nil }
    let used = digests.values.filter { $0["segments"]?.array?.isEmpty == false }
    return used.isEmpty ? nil : Set(used.flatMap { ($0["keyslots"]?.array ?? []).compactMap(\.string) })
  }

  private static func token(_ value: JSONValue) -> UnlockToken? {
    guard let type = value["type"]?.string else { return nil }
    var token = UnlockToken(
      type: type, keyslots: Set((value["keyslots"]?.array ?? []).compactMap(\.string)), usesTPM: false, registers: [])
    switch type {
    case "systemd-tpm2":
      token.usesTPM = true
      token.registers = registers(value["tpm2-pcrs"]?.array)
      token.hasOtherPolicy = value["tpm2_pcrlock"] == .boolean(true)
    case "clevis":
      let binding = value["jwe"]?["protected"]?.string.flatMap { clevisBinding($0, depth: 0) }
      // A token whose header cannot be read may have any binding.
      token.usesTPM = binding?.usesTPM ?? true
      token.registers = binding?.registers.sorted() ?? [UnlockedDisk.secureBootRegister]
    default: break
    }
    return token
  }

  private static func registers(_ values: [JSONValue]?) -> [Int] {
    (values ?? []).compactMap { if case .number(let text) = $0 { Int(text) } else { nil } }.sorted()
  }

  /// What the protected header of a JWE by clevis says; nil if it cannot be read.
  ///
  /// The pin `tpm2` has the PCRs as text in `pcr_ids`, and `sss` has other headers in it.
  private static func clevisBinding(_ header: String, depth: Int) -> (usesTPM: Bool, registers: Set<Int>)? {
    guard depth < depthLimit, let bytes = decode(header), let document = try? JSONValue(parsing: bytes),
      let clevis = document["clevis"], let pin = clevis["pin"]?.string
    else { return nil }
    switch pin {
    case "tpm2":
      let text = clevis["tpm2"]?["pcr_ids"]?.string ?? ""
      return (true, Set(text.split(separator: ",").compactMap { Int($0) }))
    case "sss":
      var (usesTPM, registers): (Bool, Set<Int>) = (false, [])
      for share in clevis["sss"]?["jwe"]?.array ?? [] {
        let first = share.string?.split(separator: ".", omittingEmptySubsequences: false).first
        guard let found = first.flatMap({ clevisBinding(String($0), depth: depth + 1) }) else { return nil }
        usesTPM = usesTPM || found.usesTPM
        registers.formUnion(found.registers)
      }
      return (usesTPM, registers)
    default: return (false, [])
    }
  }

  /// Base64 for URLs, without padding (RFC 7515 section 2).
  private static func decode(_ text: String) -> [UInt8]? {
    var bytes = text.utf8.map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "-"): UInt8(ascii: "+")
      case UInt8(ascii: "_"): UInt8(ascii: "/")
      default: byte
      }
    }
    while !bytes.count.isMultiple(of: 4) { bytes.append(UInt8(ascii: "=")) }
    return Base64.decode(bytes)
  }
}
