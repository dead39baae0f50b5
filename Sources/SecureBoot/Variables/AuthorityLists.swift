// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import EFIData
package import HostSystem

/// The certificates in PK and KEK, whose keys sign updates of the firmware's lists.
package struct AuthorityLists: Sendable {
  package let platformKeys: [Certificate]
  package let keyExchangeKeys: [Certificate]

  /// Reads the variables; a missing one counts as empty, and certificates that cannot be read are skipped.
  ///
  /// Throws `HostError` if a variable exists but cannot be read.
  package init(readingFrom store: EFIVariableStore) throws {
    platformKeys = try Self.certificates(in: .platformKey, store)
    keyExchangeKeys = try Self.certificates(in: .keyExchangeKey, store)
  }

  private static func certificates(in variable: EFIVariableName, _ store: EFIVariableStore) throws -> [Certificate] {
    guard let file = try store.read(variable.fileName), let content = try? EFIVariableContent(parsing: file) else {
      return []
    }
    return SignatureDatabase.readable(in: content.data).database.signatures(of: .x509).compactMap {
      try? Certificate(parsingPrefixOf: $0.data)
    }
  }
}
