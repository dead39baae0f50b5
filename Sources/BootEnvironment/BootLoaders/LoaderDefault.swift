// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
import Glibc
package import HostSystem

/// systemd-boot's default entry: a file name or a pattern, in the EFI variable `LoaderEntryDefault` and in
/// `loader.conf`.
///
/// systemd-boot reads `LoaderEntryOneShot`, then `LoaderEntryDefault`, then `loader.conf`. Each takes effect only if it
/// matches an entry on the ESP (systemd 252 and 257, boot.c, `config_default_entry_select`). Proxmox's hook writes its
/// own default to `loader.conf` each time it runs, and Secure Boot rejects that entry. So the variable keeps the
/// machine booting, and `loader.conf` comes second.
///
/// The pattern is used if it chooses the right UKI, since it still matches one after UKIs were added or removed. A name
/// is used if the pattern would choose another UKI: for a pin, for `boot prefer`, or if a newer file is damaged.
package enum LoaderDefault {
  /// Matches every UKI made by pve-sb-uki.
  package static let pattern = "pve-*.efi"

  /// The default that makes systemd-boot start `first` on an ESP with the files `names` in `EFI/Linux`.
  package static func text(for first: UKIName, among names: [String]) -> String {
    choice(of: pattern, among: names) == first.fileName.lowercased() ? pattern : first.fileName
  }

  /// The file name that systemd-boot starts for a name or pattern, in lower case; nil if none matches.
  ///
  /// systemd-boot sorts the entries of one operating system by file name, the newest version first, and takes the first
  /// match.
  package static func choice(of pattern: String, among names: [String]) -> String? {
    let wanted = pattern.lowercased()
    return names.map { $0.lowercased() }.filter { matches($0, wanted) }.max { LoaderVersion.isOlder($0, than: $1) }
  }

  /// Whether the name matches; both arguments must be in lower case.
  package static func matches(_ name: String, _ pattern: String) -> Bool { fnmatch(pattern, name, FNM_NOESCAPE) == 0 }

  /// The value of the variable; nil if it is missing or invalid.
  package static func variable(in store: EFIVariableStore) -> String? { text(of: .loaderEntryDefault, in: store) }

  /// The text in one of systemd-boot's variables; nil if it is missing or invalid.
  package static func text(of variable: EFIVariableName, in store: EFIVariableStore) -> String? {
    let content = (try? store.read(variable.fileName)).flatMap { $0 }.flatMap { try? EFIVariableContent(parsing: $0) }
    return content.flatMap { EFIText.parse($0.data) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Sets the variable, or removes it if `text` is nil; no change if it already has that value.
  ///
  /// Throws `EFIVariableError` or `HostError`.
  package static func setVariable(_ text: String?, in store: EFIVariableStore) throws {
    if let text {
      _ = try store.set(.loaderEntryDefault, data: EFIText.serialize(text))
    } else {
      let name = EFIVariableName.loaderEntryDefault.fileName
      try store.remove(name, holding: store.read(name))
    }
  }
}

extension EFIVariableStore {
  /// Sets a systemd-boot variable and keeps the attributes of an existing one.
  ///
  /// Returns false if it already had that value. Throws `EFIVariableError` or `HostError`.
  package func set(_ variable: EFIVariableName, data: [UInt8]) throws -> Bool {
    let old = try read(variable.fileName)
    let attributes =
      old.flatMap { try? EFIVariableContent(parsing: $0).attributes } ?? [
        .nonVolatile, .bootServiceAccess, .runtimeAccess,
      ]
    let content = EFIVariableContent(attributes: attributes, data: data).serialize()
    guard content != old else { return false }
    try write(variable.fileName, content: content, replacing: old)
    return true
  }
}

/// Compares versions in names like systemd (UAPI.10, `strverscmp_improved`).
package enum LoaderVersion {
  /// Whether `left` is the older of two names.
  package static func isOlder(_ left: String, than right: String) -> Bool {
    compare(Array(left.utf8)[...], Array(right.utf8)[...]) < 0
  }

  /// Negative if `left` is older, positive if it is newer.
  private static func compare(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
    var (left, right) = (left, right)
    while true {
      left = left.drop { !isPart($0) }
      right = right.drop { !isPart($0) }
      // A tilde sorts before the end of the name.
      if let order = separator("~", at: &left, and: &right) { return order }
      if left.isEmpty || right.isEmpty { return left.count.signum() - right.count.signum() }
      for mark in ["-", "^", "."] as [Character] {
        if let order = separator(mark, at: &left, and: &right) { return order }
      }
      let isNumber = left.first.map(isDigit) == true || right.first.map(isDigit) == true
      let part = isNumber ? isDigit : isLetter
      let (one, other) = (left.prefix(while: part), right.prefix(while: part))
      left = left.dropFirst(one.count)
      right = right.dropFirst(other.count)
      let order = isNumber ? compareNumbers(one, other) : compareTexts(one, other)
      if order != 0 { return order }
    }
  }

  /// Removes the mark from both; if only one has it, that one is older.
  private static func separator(
    _ mark: Character, at left: inout ArraySlice<UInt8>, and right: inout ArraySlice<UInt8>
  ) -> Int? {
    let (one, other) = (left.first == mark.asciiValue, right.first == mark.asciiValue)
    if one != other { return one ? -1 : 1 }
    if one {
      left.removeFirst()
      right.removeFirst()
    }
    return nil
  }

  private static func compareNumbers(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
    // A number is newer than a part without digits.
    if left.isEmpty || right.isEmpty { return left.count.signum() - right.count.signum() }
    let (one, other) = (left.drop { $0 == UInt8(ascii: "0") }, right.drop { $0 == UInt8(ascii: "0") })
    if one.count != other.count { return (one.count - other.count).signum() }
    return compareTexts(one, other)
  }

  private static func compareTexts(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
    if left.elementsEqual(right) { return 0 }
    return left.lexicographicallyPrecedes(right) ? -1 : 1
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
  private static func isPart(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) || "~-^.".utf8.contains(byte) }
}
