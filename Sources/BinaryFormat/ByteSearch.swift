// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension Collection<UInt8> {
  /// The bytes from the first place where `needle` occurs; nil if it does not, or is empty.
  package func firstRest(startingWith needle: some Collection<UInt8>) -> SubSequence? {
    guard let first = needle.first else { return nil }
    var rest = self[...]
    while let start = rest.firstIndex(of: first) {
      rest = rest[start...]
      if rest.starts(with: needle) { return rest }
      rest = rest.dropFirst()
    }
    return nil
  }

  /// Whether `needle`, which must not be empty, occurs.
  package func contains(bytes needle: some Collection<UInt8>) -> Bool { firstRest(startingWith: needle) != nil }
}

extension StringProtocol {
  /// As `contains`, which links more than a megabyte of code.
  package func contains(bytes part: String) -> Bool { utf8.contains(bytes: part.utf8) }
}
